"""Reads the quantiser of HEVC's key frames from the headers of their slices, as libav's decoder doesn't export it.

Numbers of clauses are those of ITU-T H.265 (08/2021).
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sr4k.media.bits import Bits, DamagedError
from sr4k.media.hevc_headers import Parameters, Sequence, picture_parameters, sequence, slice_qp_delta

_START_CODE = re.compile(b"\0\0\1")
_KEY = range(16, 24)
"""Types of the NAL units of pictures where decoding can begin (Table 7-1): BLA, IDR, CRA."""

_IDR = {19, 20}
_SPS, _PPS = 33, 34
_MOST_UNITS = 1024
"""Maximum number of NAL units of a packet that are looked at. The largest level has 600 slices a picture."""

_ENOUGH = 8
"""Maximum number of slices of a picture that are read."""

_HEAD, _SET = 640, 8192
"""Maximum sizes in bytes of what is read of a slice and of a parameter set; their longest fields fit in."""

_QP = range(-48, 52)
"""``SliceQpY``: 0 and more for 8 bits; 16 bits extend it downwards by 48."""

_HVCC_HEAD = 23
"""Size in bytes of ``HEVCDecoderConfigurationRecord`` before its arrays (ISO/IEC 14496-15, 8.3.3.1.2)."""


class Quantiser(NamedTuple):
    """The quantiser of a key frame.

    Attributes:
        qp: mean of ``SliceQpY`` of its first slices, -48 to 51.
        is_nominal: whether most blocks have finer ones: x265 lowers those of blocks that later pictures refer to
            (``cutree``). Taken to be so where blocks have quantisers of their own, rows can be decoded in parallel,
            strong smoothing is on and the order of display differs, as with x265's usual settings; cameras, kvazaar,
            and x265 without delay lack one of them at least.
    """

    qp: float
    is_nominal: bool


class HevcQuantiser:
    """Reads the quantiser of key frames, from packets in Annex B or with lengths, as libav's demuxers return them.

    Args:
        extradata: that of the stream: ``hvcC``, Annex B or nothing.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self._sequences: dict[int, Sequence] = {}
        self._parameters: dict[int, Parameters] = {}
        self._length = 0
        self.configure(extradata)

    def configure(self, extradata: bytes | None) -> None:
        """Use the parameter sets of other extradata from now on."""
        data = extradata or b""
        is_record = len(data) >= _HVCC_HEAD and data[:3] not in (b"\0\0\0", b"\0\0\1")
        self._length = (data[21] & 3) + 1 if is_record else 0
        for unit in islice(_of_record(data) if is_record else _of_annex_b(data), _MOST_UNITS):
            self._learn(unit)

    def of(self, packet: bytes) -> Quantiser | None:
        """Return the quantiser of the key frame in a packet; ``None``: there is none, or it can't be read."""
        data = memoryview(packet)
        found: list[Quantiser] = []
        for unit in islice(_with_lengths(data, self._length) if self._length else _of_annex_b(data), _MOST_UNITS):
            self._learn(unit)
            if (quantiser := self._of_slice(unit)) is not None:
                found.append(quantiser)
            if len(found) == _ENOUGH:
                break
        return Quantiser(sum(each.qp for each in found) / len(found), found[0].is_nominal) if found else None

    def _learn(self, unit: memoryview) -> None:
        """Note a parameter set. One that can't be read changes nothing, as in libav's decoder."""
        try:
            if _kind(unit) == _SPS:
                learnt = sequence(_payload(unit, _SET))
                self._sequences[learnt.number] = learnt
            elif _kind(unit) == _PPS:
                found = picture_parameters(_payload(unit, _SET))
                self._parameters[found.number] = found
        except DamagedError:
            return

    def _of_slice(self, unit: memoryview) -> Quantiser | None:
        """Return the quantiser of a slice; ``None``: the unit is none of a key frame, or it can't be read."""
        kind = _kind(unit)
        if kind not in _KEY:
            return None
        bits = Bits(_payload(unit, _HEAD))
        try:
            is_first = bits.flag()
            bits.skip(1)  # no_output_of_prior_pics_flag
            picture = self._parameters.get(bits.golomb())
            video = self._sequences.get(picture.sequence) if picture else None
            if picture is None or video is None:
                return None
            if not is_first:
                if picture.dependent_slices and bits.flag():
                    return None
                bits.skip(video.address_bits)
            qp = picture.start_qp + slice_qp_delta(bits, picture, video, is_idr=kind in _IDR)
        except DamagedError:
            return None
        is_nominal = picture.block_qps and picture.wavefront and video.strong_smoothing and video.is_reordered
        return Quantiser(qp, is_nominal) if qp in _QP else None


def _kind(unit: memoryview) -> int | None:
    """Return the type of a NAL unit (7.3.1.2); ``None``: it is of another layer, such as a second eye, or damaged."""
    if len(unit) < 2 or unit[0] & 0x81 or unit[1] & 0xF8:
        return None
    return unit[0] >> 1


def _payload(unit: memoryview, most: int) -> bytes:
    """Return the first bytes of a NAL unit after its header, without those that prevent start codes (7.3.1.1)."""
    return bytes(unit[2 : 2 + most]).replace(b"\0\0\3", b"\0\0")


def _of_annex_b(data: bytes | memoryview) -> Iterator[memoryview]:
    whole, start = memoryview(data), None
    for found in _START_CODE.finditer(whole):
        if start is not None:
            yield whole[start : found.start()]
        start = found.end()
    if start is not None:
        yield whole[start:]


def _with_lengths(data: memoryview, width: int) -> Iterator[memoryview]:
    while len(data) > width:
        end = width + int.from_bytes(data[:width], "big")
        yield data[width:end]
        data = data[end:]


def _of_record(data: bytes) -> Iterator[memoryview]:
    rest = memoryview(data)[_HVCC_HEAD:]
    for _ in range(data[_HVCC_HEAD - 1]):
        units, rest = int.from_bytes(rest[1:3], "big"), rest[3:]
        for _ in range(units if rest else 0):
            end = 2 + int.from_bytes(rest[:2], "big")
            yield rest[2:end]
            rest = rest[end:]
