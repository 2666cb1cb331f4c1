"""The Triton kernels: a sum of convolutions with its epilogue (bias, skip, ReLU, rounding), chroma's bicubic, ranges.

Feature maps are stored channel-last with a border of zeros, so that a row of taps is contiguous in memory and needs no
bounds check. Positions are numbered row by row, border included, so that each tap is at a constant offset.
"""

import triton
import triton.language as tl

from sr4k.engines.exact_weights import PAIR_UNIT

PLANE_TAPS = tl.constexpr(16)
"""Taps of a plane in one matrix product: the smallest k of tensor cores in 16 bits."""

PAIR_TAPS = tl.constexpr(32)
"""The same in int8."""

_PAIR_UNIT = tl.constexpr(PAIR_UNIT)

_ROUND_TO_EVEN = tl.constexpr(12582912.0)
"""1.5 * 2**23: added to a float32 of less than 2**22 it leaves the nearest integer in the low bits."""


@triton.jit
def fused_convolution(
    out,
    quad_row,
    quad_column,
    quad_offset,
    source,
    source_stride,
    source_origin,
    source_weights,
    source_scale,
    begin,
    rest,
    skip,
    skip_scale,
    least,
    highest,
    cell_columns,
    beyond,
    plane_scale,
    plane_a,
    weights_a,
    taps_a,
    row_a,
    column_a,
    plane_b,
    weights_b,
    taps_b,
    row_b,
    column_b,
    stride,
    origin,
    first_row,
    rows,
    first_column,
    last_column,
    source_step: tl.constexpr,
    reach: tl.constexpr,
    features: tl.constexpr,
    kernel_rows: tl.constexpr,
    chunks: tl.constexpr,
    chunk: tl.constexpr,
    count_a: tl.constexpr,
    parts_a: tl.constexpr,
    count_b: tl.constexpr,
    parts_b: tl.constexpr,
    codes: tl.constexpr,
    pairs: tl.constexpr,
    used_a: tl.constexpr,
    has_skip: tl.constexpr,
    relu: tl.constexpr,
    within: tl.constexpr,
    to_map: tl.constexpr,
    deep: tl.constexpr,
    most: tl.constexpr,
    shift: tl.constexpr,
    outputs: tl.constexpr,
    lanes: tl.constexpr,
    block: tl.constexpr,
):
    """Compute ``block`` positions of ``lanes`` output channels, of which the first ``outputs`` are stored.

    Args:
        out: a map of ``outputs`` channels, or, with ``to_map`` false, code values up to ``most``, four channels to a
            word: 8 bits each, or with ``deep`` 16, ``shift`` bits to the left.
        quad_row, quad_column, quad_offset: row and column stride and start of each group of four channels, in words.
        source: a map of ``features`` channels, with weights (kernel_rows, chunks, lanes, chunk): a row of taps is cut
            into ``chunks``. ``kernel_rows`` is 0 if there is no such convolution.
        source_scale, plane_scale: factors (lanes,) of the sums.
        begin: what the first convolution's sums begin with, (lanes,). For sums of int8 these are the bits of 1.5 *
            2**23 plus the bias's whole part, so that nothing cancels later, and the sums become floats by one
            subtraction.
        rest: the bias without what the sums begin with, (lanes,), in units of the result.
        plane_a, plane_b: planes of code values; weights (parts, lanes, count) in float16, whose parts add up to the
            weight, or with ``pairs`` in int8; offsets of the ``count`` taps; strides by row and column of positions.
            ``count`` is 0 if there is none. ``used_a`` of the first taps have weights.
        within: whether the result is kept within a range of each cell, and ``beyond`` on either side.
        least, highest: that range (rows of cells, ``cell_columns``), float32, in code values.
        codes: whether the values of plane a minus 128 are read, and its sums begin with ``begin``.
        source_stride, source_origin, source_step: positions in a row of ``source``, its first position inside the
            border, and the number of its positions to one of ``out``, in each direction.
        stride, origin: the same of ``out`` if it is a map, and of ``skip``.
        first_row, rows, first_column, last_column: region to compute; ``last_column`` is exclusive.
        reach: rows and columns of the kernel above and to the left of its middle.
    """
    at = tl.program_id(0) * block + tl.arange(0, block)
    y = first_row + at // stride
    x = at % stride
    inside = (at < rows * stride) & (x >= first_column) & (x < last_column)
    here = origin + y * stride + x
    n = tl.arange(0, lanes)

    if kernel_rows > 0:
        middle = source_origin + (y * source_stride + x) * source_step
        k = tl.arange(0, chunk)
        total = tl.zeros((block, lanes), begin.dtype.element_ty) + tl.load(begin + n)[None, :]
        for step in range(kernel_rows * chunks):
            run = (middle + (step // chunks - reach) * source_stride - reach) * features + (step % chunks) * chunk
            pixels = tl.load(source + run[:, None] + k[None, :], mask=inside[:, None], other=0, cache_modifier=".ca")
            kernel = tl.load(source_weights + step * lanes * chunk + n[None, :] * chunk + k[:, None])
            total = tl.dot(pixels, kernel, total, out_dtype=total.dtype)
        if begin.dtype.element_ty == tl.int32:
            scale = tl.load(source_scale + n)[None, :]
            value = tl.fma(total.to(tl.float32, bitcast=True) - _ROUND_TO_EVEN, scale, tl.load(rest + n)[None, :])
        else:
            value = total
    else:
        value = tl.zeros((block, lanes), tl.float32) + tl.load(rest + n)[None, :]

    if count_a > 0:
        corner = y * row_a + x * column_a
        if pairs:
            value += _of_pairs(plane_a, weights_a, taps_a, corner, inside, count_a, used_a, n)
        else:
            planes = tl.zeros((block, lanes), tl.float32)
            if codes:
                planes += tl.load(begin + n)[None, :]
            planes = _of_plane(planes, plane_a, weights_a, taps_a, corner, inside, count_a, parts_a, codes, n)
            if count_b > 0:
                corner = y * row_b + x * column_b
                planes = _of_plane(planes, plane_b, weights_b, taps_b, corner, inside, count_b, parts_b, False, n)
            value = tl.fma(planes, tl.load(plane_scale + n)[None, :], value)

    if has_skip:
        beside = tl.load(
            skip + here[:, None] * outputs + n[None, :], mask=inside[:, None] & (n < outputs)[None, :], other=0
        )
        value = tl.fma(beside.to(tl.float32), tl.zeros_like(value) + skip_scale, value)
    if relu:
        value = tl.maximum(value, 0.0)
    if within:
        cell = y * cell_columns + x
        lower = tl.load(least + cell, mask=inside, other=0) - beyond
        upper = tl.load(highest + cell, mask=inside, other=0) + beyond
        value = tl.minimum(tl.maximum(value, lower[:, None]), upper[:, None])

    if to_map:
        if out.dtype.element_ty == tl.int8:  # noqa: SIM108 - Triton decides a branch, not an expression, by a type
            stored = _rounded(value, -128.0, 127.0).to(tl.int8)
        else:
            stored = value.to(tl.float16)
        tl.store(
            out + here[:, None] * outputs + n[None, :],
            stored,
            mask=inside[:, None] & (n < outputs)[None, :],
        )
    else:
        quads: tl.constexpr = lanes // 4
        codes_out = _rounded(value, 0.0, most)
        if deep:
            samples = ((codes_out & 0xFFFF) << shift).to(tl.int64) << (16 * (n % 4)).to(tl.int64)[None, :]
        else:
            samples = (codes_out & 0xFF) << (8 * (n % 4))[None, :]
        words = tl.sum(tl.reshape(samples, (block, quads, 4)), axis=2)
        q = tl.arange(0, quads)
        there = q < outputs // 4
        place = y[:, None] * tl.load(quad_row + q, mask=there, other=0)[None, :]
        place += x[:, None] * tl.load(quad_column + q, mask=there, other=0)[None, :]
        place += tl.load(quad_offset + q, mask=there, other=0)[None, :]
        tl.store(out + place, words, mask=inside[:, None] & there[None, :])


@triton.jit
def chroma_bicubic(
    out,
    plane,
    row_words,
    column_words,
    group_words,
    first_word,
    pitch,
    plane_values,
    first,
    rows,
    columns,
    step: tl.constexpr,
    taps: tl.constexpr,
    factors: tl.constexpr,
    together: tl.constexpr,
    deep: tl.constexpr,
    most: tl.constexpr,
    shift: tl.constexpr,
    block: tl.constexpr,
):
    """Compute the 2x2 samples of both chroma planes in ``block`` cells, separably and in exact integers.

    Args:
        out: code values as in `fused_convolution`, two words a cell: of a plane each, or with ``together`` of a row of
            alternating samples each. ``row_words``, ``column_words``, ``group_words``, ``first_word``: strides of
            rows, columns and the two words, and the start, in words.
        plane: both planes of ``plane_values`` values and ``pitch`` values a row; ``first``: the first cell's first tap.
        rows, columns: cells of the picture. ``step``: samples to a cell's side.
        factors: (2, 2, taps) integers over 1024: along columns and along rows, for either output sample.
    """
    at = tl.program_id(0) * block + tl.arange(0, block)
    y = at // columns
    x = at % columns
    inside = at < rows * columns
    corner = plane + first + step * (y * pitch + x)
    a, b, c, d = _four_samples(corner, pitch, inside, taps, factors, most, shift)
    e, f, g, h = _four_samples(corner + plane_values, pitch, inside, taps, factors, most, shift)
    place = out + first_word + y * row_words + x * column_words
    if together:
        tl.store(place, _word(a, e, b, f, deep), mask=inside)
        tl.store(place + group_words, _word(c, g, d, h, deep), mask=inside)
    else:
        tl.store(place, _word(a, b, c, d, deep), mask=inside)
        tl.store(place + group_words, _word(e, f, g, h, deep), mask=inside)


@triton.jit
def extremes_in_line(
    source_least,
    source_highest,
    least,
    highest,
    first,
    row,
    column,
    tap,
    place,
    place_row,
    columns,
    count,
    taps: tl.constexpr,
    alike: tl.constexpr,
    block: tl.constexpr,
):
    """Compute the least and the highest of ``taps`` numbers in line, for ``block`` of ``count`` positions.

    Args:
        source_least, source_highest: where the least and the highest are looked for; ``alike``: they are one.
        least, highest: results, in rows of ``columns`` that are ``place_row`` apart, from ``place`` on.
        first: the first position's first number. ``row``, ``column``: strides of positions; ``tap``: of the numbers of
            one.
    """
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < count
    corner = first + at // columns * row + at % columns * column
    low, high = tl.full((block,), 1 << 16, tl.int32), tl.zeros((block,), tl.int32)
    for k in tl.static_range(taps):
        number = tl.load(source_least + corner + k * tap, mask=inside, other=0).to(tl.int32)
        low = tl.minimum(low, number)
        if not alike:
            number = tl.load(source_highest + corner + k * tap, mask=inside, other=0).to(tl.int32)
        high = tl.maximum(high, number)
    to = place + at // columns * place_row + at % columns
    tl.store(least + to, low.to(least.dtype.element_ty), mask=inside)
    tl.store(highest + to, high.to(highest.dtype.element_ty), mask=inside)


@triton.jit
def _four_samples(
    corner,
    pitch,
    inside,
    taps: tl.constexpr,
    factors: tl.constexpr,
    most: tl.constexpr,
    shift: tl.constexpr,
):
    a = tl.zeros(inside.shape, tl.int32)
    b, c, d = a, a, a
    for row in tl.static_range(taps):
        left, right = tl.zeros(inside.shape, tl.int32), tl.zeros(inside.shape, tl.int32)
        for column in tl.static_range(taps):
            sample = tl.load(corner + row * pitch + column, mask=inside, other=0).to(tl.int32)
            left += factors[2 * taps + column] * sample
            right += factors[3 * taps + column] * sample
        a += factors[row] * left
        b += factors[row] * right
        c += factors[taps + row] * left
        d += factors[taps + row] * right
    return _nearest(a, most, shift), _nearest(b, most, shift), _nearest(c, most, shift), _nearest(d, most, shift)


@triton.jit
def _nearest(value, most: tl.constexpr, shift: tl.constexpr):
    """Return the nearest code value, half to even, of an integer over 2**20."""
    whole = (value + (1 << 19) - 1 + ((value >> 20) & 1)) >> 20
    return tl.minimum(tl.maximum(whole, 0), most) << shift


@triton.jit
def _word(a, b, c, d, deep: tl.constexpr):
    if deep:
        return a.to(tl.int64) | b.to(tl.int64) << 16 | c.to(tl.int64) << 32 | d.to(tl.int64) << 48
    else:  # noqa: RET505 - a function of Triton's has one end in each form
        return a | b << 8 | c << 16 | d << 24


@triton.jit
def _of_plane(
    total,
    plane,
    weights,
    taps,
    corner,
    inside,
    count: tl.constexpr,
    parts: tl.constexpr,
    codes: tl.constexpr,
    n,
):
    """Add sums over the taps of a plane to (positions, lanes); a second part holds what float16 weights round off."""
    k = tl.arange(0, PLANE_TAPS)
    for first in range(0, count, PLANE_TAPS):
        reach = tl.load(taps + first + k)
        pixels = tl.load(plane + corner[:, None] + reach[None, :], mask=inside[:, None], other=0).to(tl.float16)
        if codes:
            pixels -= 128.0
        for part in tl.static_range(parts):
            kernel = tl.load(weights + (part * n.shape[0] + n[None, :]) * count + first + k[:, None])
            total = tl.dot(pixels, kernel, total)
    return total


@triton.jit
def _of_pairs(plane, weights, taps, corner, inside, count: tl.constexpr, used: tl.constexpr, n):
    """Return exact sums (positions, lanes) over the taps of a plane of 8 bits, of weights in two parts of int8."""
    k = tl.arange(0, PAIR_TAPS)
    high = tl.zeros((corner.shape[0], n.shape[0]), tl.int32)
    low = tl.zeros((corner.shape[0], n.shape[0]), tl.int32) + 128 * _PAIR_UNIT
    for first in tl.static_range(0, count, PAIR_TAPS):
        reach = tl.load(taps + first + k)
        there = inside[:, None] & (first + k < used)[None, :]
        codes = tl.load(plane + corner[:, None] + reach[None, :], mask=there, other=0)
        pixels = (codes ^ 128).to(tl.int8, bitcast=True)
        place = weights + n[None, :] * count + first + k[:, None]
        high = tl.dot(pixels, tl.load(place), high, out_dtype=tl.int32)
        low = tl.dot(pixels, tl.load(place + n.shape[0] * count), low, out_dtype=tl.int32)
    return (128 * high + low).to(tl.float32) * (1.0 / _PAIR_UNIT)


@triton.jit
def _rounded(value, least, most):
    """Clamp to bounds and round to the nearest integer, half to even: the low bits of the int32 that is returned."""
    return (tl.minimum(tl.maximum(value, least), most) + _ROUND_TO_EVEN).to(tl.int32, bitcast=True)
