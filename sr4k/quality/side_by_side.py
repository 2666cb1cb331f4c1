"""Writes source and result side by side, as a video or as a sheet of enlarged details."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.picture_suffixes import WRITABLE
from sr4k.common.printable import clock
from sr4k.errors import OptionError, OutputError
from sr4k.media.look import is_colourful
from sr4k.media.options import EncoderSettings, ReadSettings
from sr4k.media.paths import for_libav
from sr4k.media.planes import Block, as_picture, split_420
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reading.reader import VideoReader
from sr4k.media.scaling import Scaler
from sr4k.media.video import VideoInfo
from sr4k.media.writing.encoder import add_video, open_encoder, tag
from sr4k.media.writing.made_folder import folder_made
from sr4k.media.writing.target_file import place, unfinished
from sr4k.models.colour import Colour
from sr4k.models.quality.contact_sheet import ContactSheet
from sr4k.quality import CompareLayout

_ROWS = 6
_LINE = 235
"""Luma of the line between the halves and of their labels: white in limited range."""
_SHADOW = 16
"""Luma of the outline of the labels: black in limited range."""
_LEAST_LABELLED = 120
"""Least width of a labelled half, in pixels."""


def write_comparison(
    source: ReadSettings, result: Path, target: Path, *, layout: CompareLayout = "split", overwrite: bool = False
) -> None:
    """Write a video of source and result, or, if ``target`` is a picture, a sheet of enlarged details.

    Args:
        source: the settings that the source was read with.
        result: the upscaled video.
        target: file to write; its suffix selects a container or a picture format.
        layout: see `CompareLayout`.
        overwrite: whether to replace an existing ``target``.

    Raises:
        InputError: source or result can't be read.
        OptionError: the suffix is neither a container's nor a picture's.
        OutputError: ``target`` can't be written, or exists and may not be replaced.
    """
    with folder_made(target.parent), unfinished(target) as partial:
        if target.suffix.lower() in WRITABLE:
            _write_sheet(source, result, partial)
        else:
            _write_video(source, result, partial, layout)
        place(partial, target, overwrite=overwrite)


def _write_sheet(source: ReadSettings, result: Path, target: Path) -> None:
    total, begin = _count(result), 0 if source.part is None else source.part.start
    shown = {round((row + 0.5) * total / _ROWS - 0.5) for row in range(_ROWS)}
    sheet = ContactSheet(apart=True)
    for number, (bicubic, ours, drawn) in enumerate(_pairs(source, result)):
        if number in shown:
            time = clock(begin + Fraction(ours.pts or 0) * _tick(ours))
            sheet.add(time, {"bicubic": drawn.rgb(bicubic), "upscaled": drawn.rgb(ours)})
    sheet.write(target)


def _write_video(source: ReadSettings, result: Path, target: Path, layout: CompareLayout) -> None:
    output: OutputContainer | None = None
    try:
        for bicubic, ours, drawn in _pairs(source, result):
            info, block = drawn.info, _beside(drawn.planes(bicubic), drawn.planes(ours), layout)
            if output is None:
                output = _open(target)
                shape = replace(info, width=block.shape[1], height=block.shape[0] * 2 // 3, time_base=_tick(ours))
                stream = add_video(output, shape, EncoderSettings())
                open_encoder(stream)
            picture = as_picture(block)
            picture.pts, picture.time_base = ours.pts, _tick(ours)
            tag(picture, info.tags)
            output.mux(stream.encode(picture))
        if output is not None:
            output.mux(stream.encode(None))
            output.close()
    except (av.error.FFmpegError, OSError) as err:
        raise OutputError(f"{target.parent}: the comparison could not be written ({err.strerror}).") from err


def _open(target: Path) -> OutputContainer:
    try:
        return av.open(for_libav(target), "w")
    except ValueError as err:
        raise OptionError(
            f"'{target.suffix}' is neither a container nor a picture format: write it to .mp4, .mkv or .png."
        ) from err


class _Drawn:
    """Converts frames with the source's colour to the size of the result, in 8 bits, by bicubic interpolation."""

    def __init__(self, info: VideoInfo, size: tuple[int, int]) -> None:
        self._size = size
        self._colour = replace(info.colour, bits=8, sampling="420")
        self.info = replace(info, colour=self._colour, pixel_format="yuv420p")
        self._scalers: defaultdict[tuple[int, int, str], Scaler] = defaultdict(lambda: Scaler("bicubic"))

    def planes(self, picture: VideoFrame) -> Block:
        """Return the frame as a block of Y, U and V."""
        return self._as("yuv420p", picture, self._colour).to_ndarray()

    def rgb(self, picture: VideoFrame) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
        """Return the frame as RGB (H, W, 3)."""
        rgb = self._as("rgb24", picture, replace(self._colour, full_range=True)).to_ndarray()
        return rgb.astype(np.uint8, copy=False)

    def _as(self, pixel_format: str, picture: VideoFrame, target: Colour) -> VideoFrame:
        source = replace(self._colour, full_range=True) if is_colourful(picture.format) else self._colour
        kind = (picture.width, picture.height, picture.format.name)
        return self._scalers[kind](picture, self._size, pixel_format, source, target)


def _pairs(source: ReadSettings, result: Path) -> Iterator[tuple[VideoFrame, VideoFrame, _Drawn]]:
    """Yield each frame of the source as it was read, its upscaled frame, and the converter for both."""
    drawn: _Drawn | None = None
    with VideoReader(source) as reader, open_input(result) as container:
        upscaled = container.decode(video_stream(container, result))
        for (picture, _), ours in zip(reader.pictures(), upscaled, strict=False):
            drawn = drawn or _Drawn(reader.info, (ours.width, ours.height))
            yield reader.fit(picture).frame, ours, drawn


def _count(path: Path) -> int:
    with open_input(path) as container:
        return sum(packet.size > 0 for packet in container.demux(video_stream(container, path)))


def _beside(left: Block, right: Block, layout: CompareLayout) -> Block:
    """Return two frames as one, as blocks of Y, U and V."""
    if layout == "side":
        pairs = zip(split_420(left), split_420(right), strict=True)
        planes = [np.concatenate(pair, axis=1) for pair in pairs]
        both = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(left.shape[0], -1)
        return _labelled(both)
    block = right.copy()
    for plane, other in zip(split_420(block), split_420(left), strict=True):
        plane[:, : plane.shape[1] // 2] = other[:, : plane.shape[1] // 2]
    luma = split_420(block)[0]
    luma[:, luma.shape[1] // 2] = _LINE
    return _labelled(block)


def _labelled(block: Block) -> Block:
    """Write the labels at the top of both halves, if there is room. Return the block, which is changed in place."""
    luma = split_420(block)[0]
    half = luma.shape[1] // 2
    if half < _LEAST_LABELLED:
        return block
    for left, name in ((0, "bicubic"), (half, "upscaled")):
        covered = luma[:, left : left + half]
        for coverage, level in zip(_letters(name, *covered.shape), (_SHADOW, _LINE), strict=True):
            part = covered[: coverage.shape[0], : coverage.shape[1]]
            part[:] = np.rint(part + (level - part.astype(np.float32)) * coverage)
    return block


@cache
def _letters(name: str, height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how far a label's outline and its letters cover the upper left corner of a picture of this size, 0 to 1.

    The outline is the letters grown: fonts of OpenCV 5 have no thickness in pixels.
    """
    scale = max(0.45, height / 1200)
    drawn = np.zeros((min(height, round(56 * scale)), min(width, round(320 * scale))), np.uint8)
    where, thickness = (round(16 * scale), round(36 * scale)), max(1, round(2 * scale))
    cv2.putText(drawn, name, where, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    around = 2 * max(2, round(1.5 * scale)) + 1
    grown = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (around, around)))
    return np.divide(grown, 255, dtype=np.float32), np.divide(drawn, 255, dtype=np.float32)


def _tick(picture: VideoFrame) -> Fraction:
    assert picture.time_base
    return Fraction(picture.time_base)
