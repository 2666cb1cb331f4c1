"""Quality and speed limits of the encoders. Light to import: a job is refused before any codec is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sr4k.media.options import Codec, CodecChoice

_X26 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_P = tuple(f"p{number}" for number in range(1, 8))
_SVT = tuple(map(str, range(14)))


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one encoder.

    Attributes:
        crf: Range of the quality, the best first.
        presets: Names or numbers of its speeds.
        speeds: The speeds as text for errors.
        others: Further names of speeds that it accepts, and that errors don't recommend.
    """

    crf: range
    presets: tuple[str, ...]
    speeds: str
    others: tuple[str, ...] = ()


_BY_NAME = ", ".join(_X26)
_BY_NUMBER = tuple(map(str, range(len(_X26))))
_NVENC_TOO = ("slow", "medium", "fast")
_P_SPEEDS = "p1 (fastest) to p7 (slowest)"

LIMITS: Mapping[Codec, Limits] = {
    "h264": Limits(range(52), _X26, _BY_NAME, _BY_NUMBER),
    "hevc": Limits(range(52), _X26, _BY_NAME, _BY_NUMBER),
    # libav treats 0 as unset: it would be the encoder's default, about 35, and not the best quality
    "av1": Limits(range(1, 64), _SVT, "0 (slowest) to 13 (fastest)", ("-1",)),
    "h264_nvenc": Limits(range(1, 52), _P, _P_SPEEDS, _NVENC_TOO),
    "hevc_nvenc": Limits(range(1, 52), _P, _P_SPEEDS, _NVENC_TOO),
    "av1_nvenc": Limits(range(1, 64), _P, _P_SPEEDS, _NVENC_TOO),
}
"""Limits by codec: of x264, x265 and SVT-AV1 from their documentation, of NVENC from libav's options.

Names of NVENC's presets that FFmpeg 9 has dropped are left out.
"""

_LEFT_OPEN: Mapping[CodecChoice, tuple[Codec, ...]] = {
    "auto": ("h264", "hevc", "av1"),
    "auto_nvenc": ("h264_nvenc", "hevc_nvenc", "av1_nvenc"),
}
"""Codecs that an automatic choice may turn out to be."""


def check_quality(codec: CodecChoice, crf: int | None, preset: str | None) -> None:
    """Refuse a quality or a speed that the encoder doesn't have; with an automatic codec, that none it may be has.

    Args:
        codec: The codec, or an automatic choice.
        crf: Quality; ``None``: the default.
        preset: Name of a speed; ``None``: the default.

    Raises:
        ValueError: The encoder doesn't have it; names those that it has.
    """
    names = _LEFT_OPEN[codec] if codec in _LEFT_OPEN else (cast(Codec, codec),)
    usual, name = LIMITS[names[0]], names[0]
    if crf is not None and not any(crf in LIMITS[each].crf for each in names):
        best, worst = usual.crf[0], usual.crf[-1]
        raise ValueError(f"the {name} encoder takes a crf from {best} (best) to {worst} (smallest), not {crf}")
    if preset is not None and not any(takes_preset(each, preset) for each in names):
        raise ValueError(f"the {name} encoder takes the preset {usual.speeds}, not '{preset}'")


def takes_preset(codec: Codec, preset: str) -> bool:
    """Whether the codec's encoder has a speed of that name."""
    return preset in (*LIMITS[codec].presets, *LIMITS[codec].others)
