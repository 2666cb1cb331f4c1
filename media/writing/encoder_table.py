"""The one table of video encoders: what ``--crf``, ``--preset`` and live streams mean to each, and what each can take.

Light to import: a job is refused before any codec is loaded. The options are compared with libav's own tables by tests;
no hardware encoder has been run on its hardware yet. ``docs/encoders.md`` says the same for users.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from sr4k.media.options import Codec, EncoderKind

_X26 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_BY_NUMBER = tuple(map(str, range(len(_X26))))
_SVT = tuple(map(str, range(14)))
_P = tuple(f"p{number}" for number in range(1, 8))
_NVENC_TOO = ("slow", "medium", "fast")
_QSV = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_AMF = ("speed", "balanced", "quality")
_VA = tuple(map(str, range(1, 8)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderRow:
    """What one encoder understands.

    Attributes:
        name: libav's name.
        crf: qualities that ``--crf`` may name, the best first; ``usual``: the one without ``--crf``.
        quality: options that select constant quality, with ``{}`` for the value of ``--crf`` times ``steps``.
        steps: steps of the encoder's own scale for one of ``--crf``'s.
        speeds: names of ``--preset``; ``told``: the same as text for errors; ``others``: further names that it
            accepts, and that errors don't recommend.
        speed: the one without ``--preset``; ``None``: the encoder's own.
        lighter: options that go with it, and with no speed that is named: they leave out what costs more than it saves.
        lighter_usual: the quality without ``--crf`` at that speed; ``None``: ``usual``, as at the speeds with names.
        speed_option: the option that sets it.
        most_bits: bits of a sample that it encodes.
        shallow, deep: pixel formats of its input for 8 and for more bits, in memory of the CPU; ``None``: the pictures'
            own, or one that libav lists.
        keeps_input: whether it reads pictures in the CPU's memory after it has taken them; the others copy them.
        device: libav's name of the device that frames are uploaded to before it can read them; ``None``: it reads them.
        held: options that hold a bit rate (bits a second) within a second, with ``{}`` for it.
        live: options of a live stream: no B-frames, no look-ahead, key frames where they are requested.
    """

    name: str
    crf: range
    usual: int
    quality: Mapping[str, str]
    steps: int = 1
    speeds: tuple[str, ...]
    told: str
    others: tuple[str, ...] = ()
    speed: str | None
    lighter: Mapping[str, str] = field(default_factory=dict)
    lighter_usual: int | None = None
    speed_option: str = "preset"
    most_bits: int = 10
    shallow: str | None = None
    deep: str | None = None
    keeps_input: bool = False
    device: str | None = None
    held: Mapping[str, str] = field(default_factory=lambda: _HELD)
    live: Mapping[str, str]


_HELD: Mapping[str, str] = {"maxrate": "{}", "bufsize": "{}"}
"""``bufsize``, the decoder buffer of ISO/IEC 14496-10 annex C, is a second of the stream."""

_CRF: Mapping[str, str] = {"crf": "{}"}
_TO_51, _TO_63 = range(1, 52), range(1, 64)


def _nvenc(codec: Codec, crf: range, usual: int) -> EncoderRow:
    return EncoderRow(
        name=f"{codec}_nvenc",
        crf=crf,
        usual=usual,
        quality={"cq": "{}"},
        speeds=_P,
        told="p1 (fastest) to p7 (slowest)",
        others=_NVENC_TOO,  # names that FFmpeg 9 has dropped are left out
        speed="p4",  # H.264 of 10 bits is for few GPUs: the others refuse when the encoder is opened
        live={"tune": "ull", "zerolatency": "1", "forced-idr": "1", "rc": "cbr"},
    )


def _qsv(codec: Codec, usual: int) -> EncoderRow:
    return EncoderRow(
        name=f"{codec}_qsv",
        crf=_TO_51,
        usual=usual,
        quality={
            "global_quality": "{}"
        },  # without a rate: intelligent constant quality (ICQ), from 1 to 51 for AV1 too
        speeds=_QSV,
        told="veryfast, faster, fast, medium, slow, slower, veryslow",
        speed="medium",
        shallow="nv12",
        most_bits=8 if codec == "h264" else 10,
        deep="p010le",
        keeps_input=True,
        # a rate that equals maxrate is a constant one
        live={"bf": "0", "async_depth": "1", "forced_idr": "1", "scenario": "livestreaming"}
        if codec != "av1"
        else {"bf": "0", "async_depth": "1", "forced_idr": "1"},
    )


def _amf(codec: Codec, crf: range, usual: int) -> EncoderRow:
    kinds = ("i", "p") if codec == "hevc" else ("i", "p", "b")
    without_b = {"bf": "0"} if codec == "hevc" else {"bf": "0", "max_b_frames": "0"}
    return EncoderRow(
        name=f"{codec}_amf",
        crf=crf,
        usual=usual,
        quality={"rc": "cqp"} | {f"qp_{kind}": "{}" for kind in kinds},
        steps=4 if codec == "av1" else 1,  # AV1's quantizer index goes to 255
        speeds=_AMF if codec != "av1" else (*_AMF, "high_quality"),
        told=f"speed, balanced, quality{', high_quality' if codec == 'av1' else ''}",
        speed="balanced",
        shallow="nv12",
        most_bits=8 if codec == "h264" else 10,
        deep="p010le",
        live={
            "usage": "lowlatency",
            "latency": "lowest_latency" if codec == "av1" else "1",
            "async_depth": "1",
            "forced_idr": "1",
            "rc": "cbr",
            **without_b,
        },
    )


def _vaapi(codec: Codec, crf: range, usual: int) -> EncoderRow:
    return EncoderRow(
        name=f"{codec}_vaapi",
        crf=crf,
        usual=usual,
        quality={"rc_mode": "CQP", ("global_quality" if codec == "av1" else "qp"): "{}"},
        steps=4 if codec == "av1" else 1,
        speeds=_VA,
        told="1 (slowest) to 7 (fastest)",
        speed=None,  # some drivers have no such scale
        speed_option="compression_level",
        shallow="nv12",
        most_bits=8 if codec == "h264" else 10,
        deep="p010le",
        device="vaapi",
        live={"rc_mode": "CBR", "bf": "0", "async_depth": "1"},  # a requested key frame is an IDR by itself
    )


ENCODERS: Final[Mapping[tuple[EncoderKind, Codec], EncoderRow]] = {
    ("software", "h264"): EncoderRow(
        name="libx264",
        crf=range(52),
        usual=18,  # of these three: of like visual quality, and fast enough not to hold up the network
        quality=_CRF,
        speeds=_X26,
        told=", ".join(_X26),
        others=_BY_NUMBER,
        speed="superfast",
        lighter={"bf": "0", "weightp": "none", "aq-mode": "none", "partitions": "none"},
        lighter_usual=19,  # files are as large as those of superfast at 18: benchmarks/results/encoders.md
        live={"tune": "zerolatency", "sc_threshold": "0", "forced-idr": "1", "flags": "+cgop"},
    ),
    ("software", "hevc"): EncoderRow(
        name="libx265",
        crf=range(52),
        usual=21,
        quality=_CRF,
        speeds=_X26,
        told=", ".join(_X26),
        others=_BY_NUMBER,
        speed="superfast",
        live={"tune": "zerolatency", "forced-idr": "1", "x265-params": "scenecut=0:open-gop=0:log-level=error"},
    ),
    ("software", "av1"): EncoderRow(
        name="libsvtav1",
        crf=_TO_63,  # libav treats 0 as unset: it would be the encoder's default, about 35, and not the best quality
        usual=30,
        quality=_CRF,
        speeds=_SVT,
        told="0 (slowest) to 13 (fastest)",
        others=("-1",),
        speed="10",
        held={},
        live={"svtav1-params": "rtc=1:rc=2:pred-struct=1"},  # real time, constant bit rate, low delay
    ),
    ("nvenc", "h264"): _nvenc("h264", _TO_51, 20),
    ("nvenc", "hevc"): _nvenc("hevc", _TO_51, 23),
    ("nvenc", "av1"): _nvenc("av1", _TO_63, 30),
    ("qsv", "h264"): _qsv("h264", 20),
    ("qsv", "hevc"): _qsv("hevc", 22),
    ("qsv", "av1"): _qsv("av1", 24),
    ("amf", "h264"): _amf("h264", _TO_51, 20),
    ("amf", "hevc"): _amf("hevc", _TO_51, 22),
    ("amf", "av1"): _amf("av1", _TO_63, 30),
    ("vaapi", "h264"): _vaapi("h264", _TO_51, 20),
    ("vaapi", "hevc"): _vaapi("hevc", _TO_51, 22),
    ("vaapi", "av1"): _vaapi("av1", _TO_63, 30),
}
"""All encoders. The qualities and speeds of x264, x265 and SVT-AV1 are from their documentation."""

RATE_CONTROL = {"crf", "qp", "b", "cq", "global_quality"}
"""libav's options that select the rate control of an encoder.

One that is given takes the place of the usual quality: of several, encoders obey the one that they look at first,
libx264 for example ``crf`` and not ``qp``.
"""

CODECS: tuple[Codec, ...] = get_args(Codec)
HARDWARE: tuple[EncoderKind, ...] = get_args(EncoderKind)[1:]


def called(kind: EncoderKind, codec: Codec) -> str:
    """Return the name of an encoder for users: the codec's for software, else libav's, such as ``hevc_qsv``."""
    return codec if kind == "software" else ENCODERS[kind, codec].name


def usual_quality(row: EncoderRow, speed: str | None) -> int:
    """Return the quality without ``--crf`` at a speed by its name; ``None``: at the usual one."""
    return row.usual if speed is not None or row.lighter_usual is None else row.lighter_usual


def quality_options(row: EncoderRow, crf: int | None, speed: str | None = None) -> dict[str, str]:
    """Return libav's options for constant quality; ``None``: the usual one at that speed, see `usual_quality`."""
    value = str((usual_quality(row, speed) if crf is None else crf) * row.steps)
    return {key: text.format(value) for key, text in row.quality.items()}


def speed_options(row: EncoderRow, speed: str | None) -> dict[str, str]:
    """Return libav's options for a speed by its name; ``None``: the usual one."""
    if speed is not None:
        return {row.speed_option: speed}
    return ({} if row.speed is None else {row.speed_option: row.speed}) | dict(row.lighter)


def live_options(row: EncoderRow, bitrate: int) -> dict[str, str]:
    """Return libav's options for a live stream of a bit rate, in bits a second."""
    return {key: text.format(bitrate) for key, text in row.held.items()} | dict(row.live)
