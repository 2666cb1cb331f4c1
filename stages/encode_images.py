"""Sink of the graph that writes pictures, each to a file of its own."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.option_names import option
from sr4k.errors import OptionError, OutputError
from sr4k.media.image_names import is_sequence, numbered, numbers
from sr4k.media.look import may_be_transparent
from sr4k.media.placement import placed
from sr4k.media.planes import rows_of
from sr4k.media.reading.open_file import open_beside, video_stream
from sr4k.media.reading.piped_source import end_copy
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import ENCODE, EncodeReport, VideoReport
from sr4k.media.rgb import without_colour
from sr4k.media.video import FULL_RANGE, info_of
from sr4k.pipeline import Format, Frame, FrameInfo, Sink
from sr4k.stages.settings import PictureSettings

log = logging.getLogger(__name__)

Pixels = NDArray[Any]
"""Gray, gray with alpha, RGB or RGBA, (H, W, 1) to (H, W, 4), uint8 or uint16; or alpha alone, (H, W)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How pictures of a suffix are written.

    Attributes:
        encoder: its name.
        formats: pixel formats by bytes a sample and samples a pixel: 1 gray, 2 gray with alpha, 3 RGB, 4 RGBA. Suffixes
            of `sr4k.common.picture_suffixes.DEEP` have those of two bytes.
        options: of the encoder.
    """

    encoder: str
    formats: Mapping[tuple[int, int], str]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds_alpha(self) -> bool:
        return (1, 4) in self.formats

    @property
    def holds_gray(self) -> bool:
        return (1, 1) in self.formats


_SHALLOW = {(1, 1): "gray", (1, 2): "ya8", (1, 3): "rgb24", (1, 4): "rgba"}
_BIG = {(2, 1): "gray16be", (2, 2): "ya16be", (2, 3): "rgb48be", (2, 4): "rgba64be"}
_LITTLE = {(2, 1): "gray16le", (2, 2): "ya16le", (2, 3): "rgb48le", (2, 4): "rgba64le"}

_JPEG = _Kind("mjpeg", {(1, 3): "yuvj444p"}, options={"qmin": "2", "qmax": "2"})
_TIFF = _Kind("tiff", _SHALLOW | _LITTLE, options={"compression_algo": "deflate"})
_KINDS = {
    ".png": _Kind("png", _SHALLOW | _BIG),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Kind("libwebp", {(1, 3): "bgra", (1, 4): "bgra"}, options={"lossless": "1"}),
}
"""By suffix of `sr4k.common.picture_suffixes.WRITABLE`."""

_MOST = {"libwebp": 16383}
"""Maximum side in pixels, by encoder."""


class EncodePictures(Sink):
    """Write upright pictures: not every viewer respects a rotation that is stored in the file."""

    name = ENCODE

    def __init__(self, settings: PictureSettings) -> None:
        self._settings = settings
        self._frames = 0
        self._until = 0.0  # seconds
        self._left_out: list[str] = []
        self._kind: _Kind | None = None  # before it is open
        self._encoders: dict[str, VideoCodecContext] = {}
        self._alpha: Iterator[Pixels] | None = None

    def open(self, source: Format) -> None:
        """Choose the encoder, and look at the source for what pictures can't hold.

        Raises:
            InputError: The source can't be read.
            OptionError: The suffix is not one of pictures, or its format can't hold so large a picture.
        """
        s = self._settings
        self._info = info_of(source)
        self._dtype = source.planes[0].dtype
        if s.path.suffix.lower() not in _KINDS:
            raise OptionError(f"Pictures can't be written as '{s.path.suffix}': use {', '.join(_KINDS)}.")
        self._kind = _KINDS[s.path.suffix.lower()]
        most = _MOST.get(self._kind.encoder)
        if most is not None and max(self._info.width, self._info.height) > most:
            raise OptionError(
                f"{s.path.suffix} can't hold sides of more than {most} pixels: use .png, or a smaller {option('size')}."
            )
        self._first = numbers(s.reading.path)[0] if is_sequence(s.reading.path) else None
        self._leave_out()

    def consume(self, frame: Frame) -> None:
        """Write a frame to its file.

        Raises:
            OptionError: The target is a single picture, and this is the second frame.
            OutputError: The file can't be written.
        """
        path = self._settings.path
        if is_sequence(path):
            path = numbered(path, self._number(frame.info))
        elif self._frames:
            raise OptionError(
                f"{path.suffix} holds one picture, and the source has more: name a sequence, such as %05d{path.suffix}."
            )
        rgb = frame.planes[0]
        pixels: Pixels = without_colour(rgb)[..., None] if frame.info.gray else rgb.copy()
        frame.release()
        if self._alpha is not None:
            pixels = self._through(pixels, next(self._alpha))
        self._write(path, _upright(pixels, self._info.display_matrix))
        self._frames += 1
        self._until = float((frame.info.pts + frame.info.duration) * frame.info.time_base)

    def finish(self, *, complete: bool) -> None:
        """Do nothing: each picture is complete once it is written."""

    def close(self) -> None:
        """Do nothing: no file is open between pictures."""

    def report(self) -> EncodeReport | None:
        if self._kind is None:
            return None
        width, height = self._info.width, self._info.height
        if _is_turned(self._info.display_matrix):
            width, height = height, width
        video = VideoReport(
            codec=self._kind.encoder, width=width, height=height, container="pictures", until=self._until
        )
        return EncodeReport(video=video, frames=self._frames, left_out=tuple(self._left_out))

    def _number(self, info: FrameInfo) -> int:
        """Return the number of the source's picture; pictures of a video are counted from 1."""
        if self._first is None:
            return self._frames + 1
        seconds = info.pts * info.time_base + (self._info.origin or 0)
        return self._first + round(seconds * self._info.rate)

    def _leave_out(self) -> None:
        """List what pictures can't hold of the source, and prepare its transparency."""
        reading = self._settings.reading
        copy = None if reading.pipe is None else reading.pipe.copy
        with open_beside(reading.path, copy) as source:
            video = video_stream(source, reading.path, reading.track)
            for stream in source.streams:
                if stream.index != video.index:
                    self._left_out.append(f"stream {stream.index} ({stream.type}) can't be carried by pictures")
            form = video.format
        if copy is not None:
            end_copy(copy)
        elif may_be_transparent(form):
            self._alpha = self._alphas()
        if self._info.colour.bits > 8 and self._dtype == "uint8":
            self._left_out.append(f"precision beyond 8 bits can't be carried by {self._settings.path.suffix}")
        for left_out in self._left_out:
            log.warning("%s; left out.", left_out)

    def _through(self, pixels: Pixels, alpha: Pixels) -> Pixels:
        """Add the transparency to a picture, or blend it over black where the file format has none."""
        assert self._kind is not None
        if alpha.min() == np.iinfo(alpha.dtype).max:
            return pixels
        if self._kind.holds_alpha:
            return np.dstack([pixels, alpha])
        words = f"transparency can't be carried by {self._settings.path.suffix}, and is laid over black"
        if words not in self._left_out:
            self._left_out.append(words)
            log.warning("%s; left out.", words)
        return _over_black(pixels, alpha)

    def _alphas(self) -> Iterator[Pixels]:
        """Yield the alpha plane of each picture, in the size and depth of the result, enlarged by bicubic filters."""
        width, height = self._info.width, self._info.height
        form = "rgba" if self._dtype == "uint8" else "rgba64le"
        with VideoReader(self._settings.reading) as reader:
            source, size = reader.info, (reader.info.width, reader.info.height)
            there = placed(self._settings.size, replace(source, width=width, height=height, source_size=size), 1)
            inner, (top, left) = there.inner, there.corner
            for picture, _ in reader.pictures():
                alpha: Pixels = picture.frame.to_ndarray(format=form)[..., 3]
                whole = np.full((height, width), np.iinfo(alpha.dtype).max, alpha.dtype)
                cv2.resize(alpha, inner, interpolation=cv2.INTER_CUBIC, dst=whole[top:, left:][: inner[1], : inner[0]])
                yield whole

    def _write(self, path: Path, pixels: Pixels) -> None:
        assert self._kind is not None
        if pixels.shape[2] < 3 and not self._kind.holds_gray:
            pixels = pixels[..., [0, 0, 0, *range(1, pixels.shape[2])]]
        picture, wanted = _picture(pixels), self._kind.formats[pixels.itemsize, pixels.shape[2]]
        if wanted != picture.format.name:
            picture = picture.reformat(
                format=wanted,
                dst_colorspace=Colorspace.ITU601,
                src_color_range=FULL_RANGE,
                dst_color_range=FULL_RANGE,
            )
        tags = self._info.source_tags or self._info.tags  # a guessed tag must not make viewers convert colours
        picture.color_primaries, picture.color_trc = tags.color_primaries, tags.color_trc
        picture.pts, picture.time_base = self._frames, Fraction(1, 25)
        try:
            data = b"".join(map(bytes, self._opened(self._kind, picture).encode(picture)))
            path.write_bytes(data)
        except (av.error.FFmpegError, OSError) as err:
            raise OutputError(f"{path.parent}: the picture can't be written ({err.strerror}).") from err

    def _opened(self, kind: _Kind, like: VideoFrame) -> VideoCodecContext:
        name = like.format.name
        if name not in self._encoders:
            encoder = av.CodecContext.create(kind.encoder, "w")
            assert isinstance(encoder, VideoCodecContext)
            encoder.width, encoder.height, encoder.pix_fmt = like.width, like.height, name
            encoder.time_base = Fraction(1, 25)
            encoder.color_range = FULL_RANGE
            encoder.thread_count = 1  # frame threads would delay pictures
            if shape := self._info.sample_aspect_ratio:
                encoder.sample_aspect_ratio = 1 / shape if _is_turned(self._info.display_matrix) else shape
            encoder.options = {**kind.options, **self._settings.options}
            self._encoders[name] = encoder
        return self._encoders[name]


def _picture(pixels: Pixels) -> VideoFrame:
    """Copy pixels of any kind."""
    height, width, samples = pixels.shape
    picture = VideoFrame(width, height, (_SHALLOW | _LITTLE)[pixels.itemsize, samples])
    rows = rows_of(picture.planes[0], str(pixels.dtype))
    np.copyto(rows[:, : width * samples], pixels.reshape(height, width * samples))
    return picture


def _over_black(pixels: Pixels, alpha: Pixels) -> Pixels:
    share = alpha[..., None] / np.float32(np.iinfo(alpha.dtype).max)
    return np.asarray(np.rint(pixels * share), pixels.dtype)


def _is_turned(matrix: tuple[int, ...] | None) -> bool:
    """Whether the matrix turns rows into columns."""
    return matrix is not None and matrix[0] == matrix[4] == 0


def _upright(pixels: Pixels, matrix: tuple[int, ...] | None) -> Pixels:
    """Rotate and mirror in steps of 90 degrees by a display matrix: x' = ax + cy, y' = bx + dy."""
    if matrix is None:
        return pixels
    a, b, c, d = (np.sign(matrix[k]) for k in (0, 1, 3, 4))
    if _is_turned(matrix):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: d or 1, :: a or 1]
