"""What pictures of a stream look like, and where that changes on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.models.colour import Colour
from sr4k.stages.decoded import tags_of
from sr4k.stages.video import colour_of, ratio


@dataclass(frozen=True, slots=True)
class Look:
    """Size, pixel format, how its planes are to be read, and the shape of a pixel as the decoder tells it."""

    width: int
    height: int
    pixel_format: str
    colour: Colour
    sample_aspect_ratio: Fraction | None

    def __str__(self) -> str:
        levels = "full" if self.colour.full_range else "limited"
        shape = f", pixels {self.sample_aspect_ratio}" if self.sample_aspect_ratio else ""
        return f"{self.width}x{self.height} ({self.pixel_format}, {self.colour.matrix}, {levels} range{shape})"


class Changes:
    """Pictures of a stream that are not like its first."""

    def __init__(self, stream: VideoStream, first: VideoFrame, say: Callable[[str], None]) -> None:
        self._stream, self._say = stream, say
        self._first = self._last = self.look(first)
        self.found: list[dict[str, Any]] = []
        """Seconds and look, wherever it is another than that of the picture before."""

    def follow(self, stream: VideoStream) -> None:
        """The same stream, opened anew."""
        self._stream = stream

    def look(self, picture: VideoFrame) -> Look:
        """What it looks like; to be asked before the next one is decoded."""
        context = self._stream.codec_context
        colour = colour_of(tags_of(picture), height=picture.height, codec=context.name)
        return Look(picture.width, picture.height, picture.format.name, colour, ratio(context.sample_aspect_ratio))

    def note(self, look: Look, at: Fraction) -> bool:
        """Whether a picture that looks so is unlike the first."""
        if look != self._last:
            self._last = look
            self.found.append({"at": float(at), "to": str(look)})
        if look != self._first:
            self._say(f"the picture changes to {look}; it is fitted into that of the first, its shape kept")
        return look != self._first

    def sample_aspect_ratio(self) -> Fraction | None:
        """Of the last picture noted: the decoder's, if that has changed, else the container's."""
        now = self._last.sample_aspect_ratio
        return ratio(self._stream.sample_aspect_ratio) if now == self._first.sample_aspect_ratio else now
