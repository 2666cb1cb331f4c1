"""Parses the headers of HEVC as far as the quantiser of a key frame's slices.

Numbers of clauses are those of ITU-T H.265 (08/2021).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sr4k.media.bits import Bits, DamagedError

_INTRA = 2
"""``slice_type`` of I (Table 7-7)."""

Deltas = tuple[int, ...]
"""Distances in display order to the pictures of a short-term reference set, past ones first, nearest first."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """What the slices' headers depend on of a sequence parameter set."""

    number: int
    chroma_planes: bool
    separate_planes: bool
    address_bits: int
    order_bits: int
    short_term: tuple[Deltas, ...]
    has_long_term: bool
    long_term: int
    temporal_motion: bool
    sample_offset: bool
    strong_smoothing: bool
    is_reordered: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """What they depend on of a picture parameter set."""

    number: int
    sequence: int
    dependent_slices: bool
    output_flag: bool
    extra_bits: int
    start_qp: int
    block_qps: bool
    wavefront: bool


@lru_cache(maxsize=16)
def sequence(data: bytes) -> Sequence:
    """Parse ``seq_parameter_set_rbsp`` (7.3.2.2.1).

    Raises:
        DamagedError: it is damaged.
    """
    bits = Bits(data)
    bits.skip(4)  # sps_video_parameter_set_id
    sub_layers = bits.number(3)
    bits.skip(1)
    _skip_profiles(bits, sub_layers)
    number, chroma_format = bits.golomb(15), bits.golomb(3)
    separate_planes = chroma_format == 3 and bits.flag()
    width, height = bits.golomb(2**16), bits.golomb(2**16)
    for _ in range(4 if bits.flag() else 0):  # conformance_window_flag
        bits.golomb()
    bits.golomb(8)  # bit_depth_luma_minus8
    bits.golomb(8)
    order_bits = 4 + bits.golomb(12)
    for _ in range(sub_layers + 1 if bits.flag() else 1):  # sps_sub_layer_ordering_info_present_flag
        bits.golomb()
        reordered = bits.golomb()
        bits.golomb()
    block_bits = 3 + bits.golomb(3) + bits.golomb(3)
    for _ in range(4):  # sizes and depths of transforms
        bits.golomb()
    if bits.flag() and bits.flag():  # scaling_list_enabled_flag, sps_scaling_list_data_present_flag
        _skip_scaling_lists(bits)
    bits.skip(1)  # amp_enabled_flag
    sample_offset = bits.flag()
    if bits.flag():  # pcm_enabled_flag
        bits.skip(8)
        bits.golomb()
        bits.golomb()
        bits.skip(1)
    short_term: list[Deltas] = []
    count = bits.golomb(64)
    for _ in range(count):
        short_term.append(_short_term_set(bits, short_term, count))
    has_long_term = bits.flag()
    long_term = bits.golomb(32) if has_long_term else 0
    bits.skip(long_term * (order_bits + 1))
    blocks = -(-width >> block_bits) * -(-height >> block_bits)
    return Sequence(
        number=number,
        chroma_planes=chroma_format != 0 and not separate_planes,
        separate_planes=separate_planes,
        address_bits=(blocks - 1).bit_length(),
        order_bits=order_bits,
        short_term=tuple(short_term),
        has_long_term=has_long_term,
        long_term=long_term,
        temporal_motion=bits.flag(),
        sample_offset=sample_offset,
        strong_smoothing=bits.flag(),
        is_reordered=reordered > 0,
    )


def _skip_profiles(bits: Bits, sub_layers: int) -> None:
    """Pass over ``profile_tier_level`` (7.3.3)."""
    bits.skip(96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    bits.skip(2 * (8 - sub_layers) if sub_layers else 0)
    bits.skip(sum(88 * has_profile + 8 * has_level for has_profile, has_level in present))


def _skip_scaling_lists(bits: Bits) -> None:
    """Pass over ``scaling_list_data`` (7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():  # scaling_list_pred_mode_flag
                bits.golomb()
                continue
            for _ in range(min(64, 16 << 2 * size) + (size > 1)):
                bits.golomb()


def _short_term_set(bits: Bits, before: "list[Deltas] | tuple[Deltas, ...]", count: int) -> Deltas:
    """Parse ``st_ref_pic_set(len(before))`` (7.3.7), as 7.4.8 derives the distances.

    Args:
        bits: what follows.
        before: the sets before it.
        count: number of sets of the sequence; if all are before it, the set is that of a slice.
    """
    if before and bits.flag():  # inter_ref_pic_set_prediction_flag
        back = 1 + (bits.golomb(count - 1) if len(before) == count else 0)
        is_past = bits.flag()
        shift = (1 + bits.golomb(2**15 - 1)) * (-1 if is_past else 1)
        kept = [delta for delta in (*before[-back], 0) if bits.flag() or bits.flag()]
        deltas = {delta + shift for delta in kept} - {0}
        return (*sorted((d for d in deltas if d < 0), reverse=True), *sorted(d for d in deltas if d > 0))
    past, future = bits.golomb(16), bits.golomb(16)
    return (*_distances(bits, past, -1), *_distances(bits, future, 1))


def _distances(bits: Bits, count: int, sign: int) -> Iterator[int]:
    delta = 0
    for _ in range(count):
        delta += sign * (1 + bits.golomb(2**15 - 1))
        bits.skip(1)  # used_by_curr_pic_flag
        yield delta


@lru_cache(maxsize=64)
def picture_parameters(data: bytes) -> Parameters:
    """Parse ``pic_parameter_set_rbsp`` (7.3.2.3.1).

    Raises:
        DamagedError: it is damaged.
    """
    bits = Bits(data)
    number, sequence = bits.golomb(63), bits.golomb(15)
    dependent_slices, output_flag, extra_bits = bits.flag(), bits.flag(), bits.number(3)
    bits.skip(2)  # sign_data_hiding_enabled_flag, cabac_init_present_flag
    bits.golomb(14)  # num_ref_idx_l0_default_active_minus1
    bits.golomb(14)
    start_qp = 26 + bits.signed()
    bits.skip(2)  # constrained_intra_pred_flag, transform_skip_enabled_flag
    block_qps = bits.flag()
    for _ in range(2 + block_qps):  # diff_cu_qp_delta_depth, pps_cb_qp_offset, pps_cr_qp_offset
        bits.golomb()
    bits.skip(5)  # chroma offsets, weights, transquant_bypass_enabled_flag, tiles_enabled_flag
    wavefront = bits.flag()
    return Parameters(
        number, sequence, dependent_slices, output_flag, extra_bits, start_qp, block_qps=block_qps, wavefront=wavefront
    )


def slice_qp_delta(bits: Bits, picture: Parameters, sequence: Sequence, *, is_idr: bool) -> int:
    """Parse ``slice_segment_header`` (7.3.6.1) of a key frame from the reserved flags to ``slice_qp_delta``.

    Raises:
        DamagedError: it is damaged, or predicts from the picture itself, as codecs of screens do.
    """
    bits.skip(picture.extra_bits)
    if bits.golomb(_INTRA) != _INTRA:
        raise DamagedError
    bits.skip(picture.output_flag + 2 * sequence.separate_planes)
    if not is_idr:
        _skip_references(bits, sequence)
    if sequence.sample_offset:
        bits.skip(1 + sequence.chroma_planes)
    return bits.signed()


def _skip_references(bits: Bits, sequence: Sequence) -> None:
    """Pass over what headers of pictures other than IDR say of order and references."""
    bits.skip(sequence.order_bits)
    count = len(sequence.short_term)
    if not bits.flag():  # short_term_ref_pic_set_sps_flag
        _short_term_set(bits, sequence.short_term, count)
    else:
        bits.skip(max(count - 1, 0).bit_length())
    if sequence.has_long_term:
        _skip_long_term(bits, sequence)
    bits.skip(sequence.temporal_motion)


def _skip_long_term(bits: Bits, sequence: Sequence) -> None:
    known = bits.golomb(32) if sequence.long_term else 0
    for number in range(known + bits.golomb(33)):
        bits.skip(max(sequence.long_term - 1, 0).bit_length() if number < known else sequence.order_bits + 1)
        if bits.flag():  # delta_poc_msb_present_flag
            bits.golomb()
