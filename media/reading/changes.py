"""Detects changes of the pictures' look within a stream."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.media.look import DecodedPicture, Look
from sr4k.media.reports import Change
from sr4k.media.video import ratio


class Changes:
    """Compares the pictures of a stream with its first one.

    Attributes:
        found: the changes so far: each picture whose look differs from that of the one before.

    Args:
        stream: the stream.
        first: its first picture.
        say: logs a message.
    """

    def __init__(self, stream: VideoStream, first: VideoFrame, say: Callable[[str], None]) -> None:
        self._stream, self._say = stream, say
        self._first = self._last = self.picture(first).look
        self.found: list[Change] = []

    def follow(self, stream: VideoStream) -> None:
        """Continue with the same stream of a file that was opened again."""
        self._stream = stream

    def picture(self, frame: VideoFrame) -> DecodedPicture:
        """Return the picture with its look; call it before the next picture is decoded."""
        context = self._stream.codec_context
        shape = ratio(context.sample_aspect_ratio)
        return DecodedPicture(frame, Look.of(frame, codec=context.name, sample_aspect_ratio=shape))

    def noted(self, picture: DecodedPicture, at: Fraction) -> DecodedPicture:
        """Record and log a change, and return the picture, marked if its look differs from that of the first one.

        A marked picture has the sample aspect ratio of the decoder if that has changed, else that of the container.

        Args:
            picture: the picture.
            at: its time in seconds.
        """
        look = picture.look
        if look != self._last:
            self._last = look
            self.found.append(Change(float(at), str(look)))
        if look == self._first:
            return picture
        self._say(f"the picture changes to {look}; it is fitted into the first one's size, keeping its shape")
        if look.sample_aspect_ratio == self._first.sample_aspect_ratio:
            look = replace(look, sample_aspect_ratio=ratio(self._stream.sample_aspect_ratio))
        return DecodedPicture(picture.frame, look, is_other=True)
