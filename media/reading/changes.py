"""Where the look of pictures changes on the way."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.look import Look, Picture
from sr4k.media.reports import Change
from sr4k.media.video import ratio


class Changes:
    """Pictures of a stream that are not like its first."""

    def __init__(self, stream: VideoStream, first: VideoFrame, say: Callable[[str], None]) -> None:
        self._stream, self._say = stream, say
        self._first = self._last = self.picture(first).look
        self.found: list[Change] = []
        """Seconds and look, wherever it is another than that of the picture before."""

    def follow(self, stream: VideoStream) -> None:
        """The same stream, opened anew."""
        self._stream = stream

    def picture(self, frame: VideoFrame) -> Picture:
        """The picture and its look; to be asked before the next one is decoded."""
        context = self._stream.codec_context
        shape = ratio(context.sample_aspect_ratio)
        return Picture(frame, Look.of(frame, codec=context.name, sample_aspect_ratio=shape))

    def noted(self, picture: Picture, at: Fraction) -> Picture:
        """The same picture, compared with the first; where it is unlike that, with the shape of pixels that counts.

        That is the decoder's, if it has changed, else the container's.
        """
        look = picture.look
        if look != self._last:
            self._last = look
            self.found.append(Change(float(at), str(look)))
        if look == self._first:
            return picture
        self._say(f"the picture changes to {look}; it is fitted into that of the first, its shape kept")
        if look.sample_aspect_ratio == self._first.sample_aspect_ratio:
            look = replace(look, sample_aspect_ratio=ratio(self._stream.sample_aspect_ratio))
        return Picture(picture.frame, look, is_other=True)
