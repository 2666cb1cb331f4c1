"""Encode frames in memory with the encoders of the product, and measure it: bits, CPU seconds, PSNR and VMAF."""

import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import mean

import av
import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.media.options import EncoderSettings
from sr4k.media.planes import rows_of
from sr4k.media.video import VideoInfo, untagged_info
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.quality.vmaf import Vmaf


@dataclass(frozen=True)
class Footage:
    """Frames in memory.

    Attributes:
        name: of the clip.
        frames: planes of YUV 4:2:0 below each other, uint8 (N, 1.5 H, W).
        rate: frames a second.
    """

    name: str
    frames: NDArray[np.uint8]
    rate: Fraction

    @property
    def info(self) -> VideoInfo:
        """The description that encoders get."""
        _, rows, width = self.frames.shape
        return untagged_info((width, rows * 2 // 3), self.rate, 1 / self.rate)

    def pictures(self) -> Iterator[av.VideoFrame]:
        """Yield the frames as libav's, which share their memory."""
        for number, planes in enumerate(self.frames):
            picture = av.VideoFrame.from_numpy_buffer(planes, "yuv420p")
            picture.pts, picture.time_base = number, 1 / self.rate
            yield picture


@dataclass(frozen=True)
class Encoded:
    """A stream that an encoder made.

    Attributes:
        stream: a Matroska file.
        sizes: of its packets, in bytes, in the order in which they came.
        cpu: CPU seconds of all threads of the encoder.
    """

    stream: bytes
    sizes: tuple[int, ...]
    cpu: float

    @property
    def bits(self) -> int:
        """Size without the container's."""
        return 8 * sum(self.sizes)


def loaded(path: Path, name: str, frames: int, crop: tuple[int, int] | None = None) -> Footage:
    """Read the first frames of an 8-bit video, or of the middle of its pictures."""
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        rate, planes = Fraction(video.guessed_rate or 25), None
        for number, picture in enumerate(source.decode(video)):
            if number == frames:
                break
            packed = _cut(picture.reformat(format="yuv420p"), crop or (picture.width, picture.height))
            if planes is None:
                planes = np.empty((frames, *packed.shape), np.uint8)
            planes[number] = packed
            count = number + 1
    if planes is None:
        raise ValueError(f"{path} has no frames")
    return Footage(name, planes[:count], rate)


def encoded(footage: Footage, settings: EncoderSettings) -> Encoded:
    """Encode footage as the product does."""
    file, packets = io.BytesIO(), []
    with av.open(file, "w", format="matroska") as target:
        stream = add_video(target, footage.info, settings)
        began = time.process_time()
        open_encoder(stream)
        for picture in footage.pictures():
            packets += stream.encode(picture)
        packets += stream.encode(None)
        cpu = time.process_time() - began
        for packet in packets:
            target.mux(packet)
        sizes = tuple(packet.size for packet in packets)
    return Encoded(file.getvalue(), sizes, cpu)


def quality(made: Encoded, footage: Footage, frames: int) -> dict[str, float]:
    """Return the mean PSNR of the luma over all frames, and VMAF and VMAF-NEG over some in a row, from the middle on.

    VMAF depends on the motion since the frame before, so they are successive ones, and the first, which has none before
    it, doesn't count.
    """
    info, psnr, first = footage.info, [], len(footage.frames) // 2
    vmaf = Vmaf((info.width, info.height), "yuv420p")
    try:
        with av.open(io.BytesIO(made.stream)) as source:
            source.streams.video[0].thread_type = "AUTO"
            pairs = zip(source.decode(video=0), footage.pictures(), strict=True)
            for number, (result, truth) in enumerate(pairs):
                psnr.append(_psnr(*(rows_of(p.planes[0])[: info.height, : info.width] for p in (result, truth))))
                if first <= number <= first + frames:
                    vmaf.add(result.reformat(format="yuv420p"), truth)
        scores = list(vmaf.scores())[1:]
    finally:
        vmaf.close()
    return {"PSNR": mean(psnr)} | {name: mean(score[name] for score in scores) for name in scores[0]}


def _psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    error = cv2.norm(one, other, cv2.NORM_L2SQR) / one.size
    return 10 * math.log10(255**2 / max(error, 1e-3))


def _cut(picture: av.VideoFrame, size: tuple[int, int]) -> NDArray[np.uint8]:
    width, height = size
    x, y = ((whole - part) // 4 * 2 for whole, part in ((picture.width, width), (picture.height, height)))
    planes = []
    for number, plane in enumerate(picture.planes):
        left, top, wide, high = (side // (2 if number else 1) for side in (x, y, width, height))
        planes.append(rows_of(plane)[top : top + high, left : left + wide].ravel())
    return np.concatenate(planes).reshape(height * 3 // 2, width)
