"""Encode and decode clips for training, with codecs of today and of old, and read each frame's QP and size.

Frames are YUV 4:2:0, limited range.
"""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.quiet_svt import quiet_svt
from sr4k.models.quantiser import EXPORT, mean_qp
from sr4k.models.source_quality import INTRA_FINER
from sr4k.models.training.frames import luma_of

CODECS = ("h264", "hevc", "av1", "jpeg", "mpeg2", "mpeg4")

_ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "mpeg2": "mpeg2video",
    "mpeg4": "mpeg4",
}
_DECODERS = {"h264": "h264", "hevc": "hevc", "av1": "libdav1d", "mpeg2": "mpeg2video", "mpeg4": "mpeg4"}
_LAMBDA = 118
"""Units of FFmpeg's ``quality_stats`` per step of QP (FF_QP2LAMBDA)."""

quiet_svt()

_OLD = ("mpeg2", "mpeg4")
_OLD_B_FRAMES = 2

INTRA, PREDICTED, BIPREDICTED = 1, 2, 3
"""Kinds of frames, as in FFmpeg's ``AVPictureType``: I, P and B."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Settings that a clip is encoded with.

    Attributes:
        codec: one of `CODECS`.
        factor: rate factor of the encoder; for JPEG, the quality; for MPEG-2 and MPEG-4 Part 2, the quantiser, 1 to 31.
        preset: preset of the encoder; empty for JPEG, MPEG-2 and MPEG-4 Part 2, which have none.
        live: low latency, without B-frames.
    """

    codec: str
    factor: int
    preset: str = ""
    live: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded frame.

    Attributes:
        luma: uint8 (H, W), limited range.
        kind: `INTRA`, `PREDICTED` or `BIPREDICTED`.
        qp: mean quantiser parameter, in the units that the decoder tells it in; for JPEG, the quality.
        size: size of its packet in bytes.
    """

    luma: NDArray[np.uint8]
    kind: int
    qp: float
    size: int


def through_codec(clip: list[av.VideoFrame], encoding: Encoding) -> list[Decoded]:
    """Encode frames, YUV 4:2:0 in limited range, and decode them again."""
    if encoding.codec == "jpeg":
        return [_through_jpeg(luma_of(frame), encoding.factor) for frame in clip]
    encoder, packets = _encoded(clip, encoding)
    sizes = {packet.pts: packet.size for packet in packets}
    reported = {packet.pts: _qp_by_encoder(packet) for packet in packets}
    decoder = av.CodecContext.create(_DECODERS[encoding.codec], "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.options = dict(EXPORT)
    decoder.thread_count = 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    found = []
    for packet in [*packets, None]:
        for frame in decoder.decode(packet):
            qp = mean_qp(frame)
            known = reported.get(frame.pts, 0.0) if qp is None else qp
            found.append(Decoded(luma_of(frame), int(frame.pict_type), known, sizes.get(frame.pts, 0)))
    return found


def steady_qp(frames: list[Decoded]) -> float:
    """Return the typical QP of a clip, a measure of its compression.

    It is the mean over I- and P-frames: B-frames often copy their references, whatever their QP. Encoders code I-frames
    finer by `INTRA_FINER`, which is compensated.
    """
    found = [frame.qp + (INTRA_FINER if frame.kind == INTRA else 0) for frame in frames if frame.kind != BIPREDICTED]
    return sum(found) / len(found)


def _encoded(clip: list[av.VideoFrame], encoding: Encoding) -> "tuple[av.VideoCodecContext, list[Packet[Any]]]":
    encoder = av.CodecContext.create(_ENCODERS[encoding.codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = clip[0].width, clip[0].height
    encoder.pix_fmt, encoder.framerate = "yuv420p", 25  # type: ignore[assignment]
    encoder.options = _options(encoding)
    encoder.thread_count = 1
    packets: list[Packet[Any]] = []
    for number, frame in enumerate(clip):
        frame.pts = number
        packets += encoder.encode(frame)
    return encoder, packets + encoder.encode(None)


def _options(encoding: Encoding) -> dict[str, str]:
    if encoding.codec in _OLD:
        b_frames = 0 if encoding.live else _OLD_B_FRAMES
        return {"qmin": str(encoding.factor), "qmax": str(encoding.factor), "bf": str(b_frames)}
    options = {"crf": str(encoding.factor), "preset": encoding.preset}
    if encoding.codec == "hevc":
        options["x265-params"] = "log-level=none"
    if encoding.codec == "av1":
        options["svtav1-params"] = "lp=1" + (":pred-struct=1" if encoding.live else "")
    elif encoding.live:
        options["tune"] = "zerolatency"
    return options


def _qp_by_encoder(packet: "Packet[Any]") -> float:
    """Return the QP that the encoder reports in ``quality_stats``; 0 if it reports none."""
    for data in packet.iter_sidedata():
        if data.data_type == "quality_stats":
            return int.from_bytes(bytes(data)[:4], "little") / _LAMBDA
    return 0.0


def _through_jpeg(luma: NDArray[np.uint8], quality: int) -> Decoded:
    """Encode and decode luma as JPEG, whose luma is of full range."""
    full = np.clip(np.rint((luma - 16.0) * (255 / 219)), 0, 255).astype(np.uint8)
    ok, coded = cv2.imencode(".jpg", full, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float64)
    return Decoded(np.rint(16 + decoded * (219 / 255)).astype(np.uint8), PREDICTED, float(quality), len(coded))
