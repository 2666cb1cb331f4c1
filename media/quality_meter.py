"""Follows how compressed a video is from frame to frame, so that the network can follow it."""

from collections import deque
from typing import Any

import numpy as np
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sr4k.media.hevc_quantiser import HevcQuantiser
from sr4k.media.planes import rows_of
from sr4k.models.quantiser import EXPORT, mean_qp
from sr4k.models.source_quality import INTRA_FINER, REUSED_FINER, by_size, grade, like_h264

_LOSSLESS = "png apng bmp tiff ppm gif rawvideo ffv1 huffyuv ffvhuff utvideo magicyuv lagarith qtrle v210 zmbv"
_FINE = "prores dnxhd cfhd jpeg2000 exr dpx dirac hap"
_CLEAN = {*_LOSSLESS.split(), *_FINE.split()}
"""Codecs without loss, and those of cameras and editing, whose losses are below those that networks are trained on."""

_CODECS = {"mpeg2video": "mpeg2", "mpeg1video": "mpeg2", "mjpeg": "jpeg", "libdav1d": "av1", "libaom-av1": "av1"}
"""Names of codecs in `sr4k.models.source_quality`, by libav's."""

_ANNEX_K = 57.625
"""Mean of the luma quantisation table of ITU-T T.81, Annex K, which libjpeg scales by quality."""

_HEADERS = {"jpeg", "hevc"}
"""Codecs whose quantisers are read from the packets of key frames; the other frames tell nothing."""

_HARDLY_LOSSY = 4
"""QP of HEVC at which coefficients are rounded to integers; lossless streams have it as well."""

_KEPT = 64
"""Maximum number of key frames of which something is remembered until they are displayed: decoders have up to 17."""

_EIGHT_BITS = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"}
_TEN_BITS = {"yuv420p10le", "yuv422p10le", "yuv444p10le"}


class QualityMeter:
    """Tells the grade of each picture of a video; see `sr4k.models.source_quality`.

    It starts anew at each key frame, so that a picture's grade does not depend on where reading began.

    Args:
        stream: an open stream, nothing of which is decoded yet.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        context.options = {**context.options, **EXPORT}
        self._codec = _CODECS.get(context.name, context.name)
        self._pace = 1.0 / float(stream.guessed_rate or 25)  # share of a picture in the mean of about a second
        self._is_clean = context.name in _CLEAN
        self._mean, self._grade = 0.0, 0
        self._told: deque[tuple[int | None, float]] = deque(maxlen=_KEPT)  # pts, and what packets of key frames tell
        self._hevc = HevcQuantiser(context.extradata) if self._codec == "hevc" else None

    def sent(self, packet: "Packet[Any]") -> None:
        """Note a packet that the decoder gets."""
        if self._is_clean or not packet.is_keyframe:
            return
        told = self._told_by(packet)
        if told is not None:
            self._told.append((packet.pts, told))

    def of(self, frame: VideoFrame) -> int:
        """Return the grade of a picture of the decoder, which is not cropped or deinterlaced yet."""
        if self._is_clean:
            return 0
        found = self._measured(frame, self._told_of(frame) if frame.key_frame else None)
        if found is None:
            return self._grade
        if frame.key_frame:
            self._mean, self._grade = found, grade(found)
        else:
            self._mean += self._pace * (found - self._mean)
            self._grade = grade(self._mean, self._grade)
        return self._grade

    def _told_by(self, packet: "Packet[Any]") -> float | None:
        """Return what the packet of a key frame tells: its quantiser for `_HEADERS`, or else its size in bits.

        ``None``: it can't be read.
        """
        if self._codec == "jpeg":
            return _jpeg_quality(bytes(packet))
        if self._hevc is None:
            return 8.0 * packet.size
        if packet.has_sidedata("new_extradata"):
            self._hevc.configure(bytes(packet.get_sidedata("new_extradata")))
        quantiser = self._hevc.of(bytes(packet))
        if quantiser is None:
            return None
        if quantiser.qp <= _HARDLY_LOSSY:
            return 0.0
        return quantiser.qp + INTRA_FINER - (REUSED_FINER if quantiser.is_nominal else 0)

    def _told_of(self, frame: VideoFrame) -> float | None:
        """Return what the packet of this key frame told, and forget it with those before it."""
        for at, (pts, told) in enumerate(self._told):
            if pts == frame.pts:
                for _ in range(at + 1):
                    self._told.popleft()
                return told
        return None

    def _measured(self, frame: VideoFrame, told: float | None) -> float | None:
        """Return the quality of one picture; ``None`` if it tells nothing about that of the video.

        B-frames often copy their references, whatever their own quantiser.
        """
        if self._codec in _HEADERS:
            return None if told is None else float(like_h264(self._codec, told))
        if frame.pict_type == PictureType.B:
            return None
        quantiser = mean_qp(frame)
        if quantiser is not None:
            finer = INTRA_FINER if self._codec == "h264" and frame.pict_type == PictureType.I else 0
            return float(like_h264(self._codec, quantiser + finer))
        if told is None or not frame.key_frame or frame.format.name not in _EIGHT_BITS | _TEN_BITS:
            return None
        luma = _luma(frame)
        return by_size(self._codec, told / (frame.width * frame.height), luma)


def _luma(frame: VideoFrame) -> NDArray[Any]:
    """Return the luma (H, W) of a planar picture, in units of 8 bits."""
    if frame.format.name in _EIGHT_BITS:
        return rows_of(frame.planes[0])[: frame.height, : frame.width]
    return rows_of(frame.planes[0], "uint16")[: frame.height, : frame.width] >> 2


def _jpeg_quality(data: bytes) -> float | None:
    """Return libjpeg's quality of a picture from the mean of its first table of quantisers (ITU-T T.81, B.2.4.1).

    ``None``: there is no table, or it is cut off or damaged.
    """
    at = data.find(b"\xff\xdb")
    kind = np.dtype(">u2" if data[at + 4 : at + 5] >= b"\x10" else "u1")
    values = data[at + 5 : at + 5 + 64 * kind.itemsize]
    if at < 0 or len(values) < 64 * kind.itemsize or not any(values):
        return None
    percent = 100 * float(np.frombuffer(values, kind).mean()) / _ANNEX_K
    return min(5000 / percent if percent > 100 else (200 - percent) / 2, 100.0)
