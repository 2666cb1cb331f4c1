"""The Triton kernel: a sum of convolutions with its epilogue (bias, skip, ReLU, rounding).

Feature maps are stored channel-last with a border of zeros, so that a row of taps is contiguous in memory and needs no
bounds check. Positions are numbered row by row, border included, so that each tap is at a constant offset.
"""

import triton
import triton.language as tl

PLANE_TAPS = tl.constexpr(16)
"""Taps of a plane in one matrix product: the smallest k of tensor cores in 16 bits."""

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
    bias,
    skip,
    skip_scale,
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
    has_skip: tl.constexpr,
    relu: tl.constexpr,
    to_map: tl.constexpr,
    outputs: tl.constexpr,
    lanes: tl.constexpr,
    block: tl.constexpr,
):
    """Compute ``block`` positions of ``lanes`` output channels, of which the first ``outputs`` are stored.

    Args:
        out: a map of ``outputs`` channels, or, with ``to_map`` false, 8-bit values, four channels to a 32-bit word.
        quad_row, quad_column, quad_offset: row and column stride and start of each group of four channels, in words.
        source: a map of ``features`` channels, with weights (kernel_rows, chunks, lanes, chunk): a row of taps is cut
            into ``chunks``. ``kernel_rows`` is 0 if there is no such convolution.
        source_scale, plane_scale: factors (lanes,) of the sums.
        plane_a, plane_b: 8-bit planes; weights (parts, lanes, count) in float16, whose parts add up to the weight;
            offsets of the ``count`` taps; strides by row and column of positions. ``count`` is 0 if there is none.
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
        if source.dtype.element_ty == tl.int8:
            total = tl.zeros((block, lanes), tl.int32)
        else:
            total = tl.zeros((block, lanes), tl.float32)
        for step in range(kernel_rows * chunks):
            run = (middle + (step // chunks - reach) * source_stride - reach) * features + (step % chunks) * chunk
            pixels = tl.load(source + run[:, None] + k[None, :], mask=inside[:, None], other=0, cache_modifier=".ca")
            kernel = tl.load(source_weights + step * lanes * chunk + n[None, :] * chunk + k[:, None])
            total = tl.dot(pixels, kernel, total, out_dtype=total.dtype)
        value = total.to(tl.float32) * tl.load(source_scale + n)[None, :]

    if count_a > 0:
        planes = _of_plane(plane_a, weights_a, taps_a, y * row_a + x * column_a, inside, count_a, parts_a, codes, n)
        if count_b > 0:
            planes += _of_plane(
                plane_b, weights_b, taps_b, y * row_b + x * column_b, inside, count_b, parts_b, False, n
            )
        planes *= tl.load(plane_scale + n)[None, :]
        if kernel_rows > 0:
            value += planes
        else:
            value = planes

    value += tl.load(bias + n)[None, :]
    if has_skip:
        beside = tl.load(
            skip + here[:, None] * outputs + n[None, :], mask=inside[:, None] & (n < outputs)[None, :], other=0
        )
        value += beside.to(tl.float32) * skip_scale
    if relu:
        value = tl.maximum(value, 0.0)

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
        bits = 8 * (n % 4)
        bytes_ = (_rounded(value, 0.0, 255.0) & 255) << bits[None, :]
        words = tl.sum(tl.reshape(bytes_, (block, quads, 4)), axis=2)
        q = tl.arange(0, quads)
        there = q < outputs // 4
        place = y[:, None] * tl.load(quad_row + q, mask=there, other=0)[None, :]
        place += x[:, None] * tl.load(quad_column + q, mask=there, other=0)[None, :]
        place += tl.load(quad_offset + q, mask=there, other=0)[None, :]
        tl.store(out + place, words, mask=inside[:, None] & there[None, :])


@triton.jit
def _of_plane(
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
    """Return sums (positions, lanes) over the taps of a plane; a second part holds what float16 weights round off."""
    k = tl.arange(0, PLANE_TAPS)
    total = tl.zeros((corner.shape[0], n.shape[0]), tl.float32)
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
def _rounded(value, least, most):
    """Clamp to bounds and round to the nearest integer, half to even: the low bits of the int32 that is returned."""
    return (tl.minimum(tl.maximum(value, least), most) + _ROUND_TO_EVEN).to(tl.int32, bitcast=True)
