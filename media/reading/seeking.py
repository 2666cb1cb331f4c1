"""Where reading begins: at the video's beginning, at a part of it, or after the pictures of an earlier run."""

from collections.abc import Callable, Iterator
from itertools import chain

import av
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from sr4k.errors import InputError
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.piped_source import PipeReader
from sr4k.media.reading.video_file import VideoFile

_BACK = (0, 10, 60, 600)
"""Seconds by which each further try seeks further back: not every file has a correct index of its key frames."""


class SeekableVideo:
    """A video file that is opened again wherever seeking fails.

    Attributes:
        file: the file as it is open now.

    Args:
        settings: what to read.
        losses: counts decode losses.
        say: logs a message.
        accelerator: what to decode with; ``None``: the CPU.
        pipe: what is read instead of a file. It is never opened again.

    Raises:
        InputError: the file can't be read, or it has no such video.
    """

    def __init__(
        self,
        settings: ReadSettings,
        losses: Losses,
        say: Callable[[str], None],
        accelerator: HWAccel | None,
        pipe: PipeReader | None = None,
    ) -> None:
        self._settings, self._losses, self._say, self._accelerator = settings, losses, say, accelerator
        self.file = VideoFile(settings, losses, say, accelerator=accelerator, pipe=pipe)

    def pictures(self) -> tuple[VideoFrame, Iterator[VideoFrame]]:
        """Return the first picture of the video, or of the part to read, and an iterator over all of them.

        Raises:
            InputError: no picture could be decoded.
        """
        part = self._settings.part
        decoded = self.file.pictures(whole=True) if part is None else self._pictures_of(part)
        first = next(decoded, None)
        if first is None:
            empty = "the stream is empty" if part is None else "it ends before that part"
            reason = "; ".join(self._losses.reasons) or empty
            raise InputError(f"{self._settings.path}: no picture could be decoded ({reason}).")
        return first, chain([first], decoded)

    def pictures_after(self, done: int) -> tuple[Iterator[VideoFrame], bool]:
        """Open the file again and return the pictures after the one with the pts ``done``.

        Where seeking does not lead to a whole key frame before that picture, or that picture is not found, seeking
        starts further back, and finally everything is decoded from the beginning. Of a damaged key frame the decoder
        would make something else than where it has the pictures before it.

        Returns:
            The pictures, and whether they are all pictures, those up to ``done`` included.

        Raises:
            InputError: the file can't be read any more.
        """
        lead = self.file.lead
        for back in _BACK if self.file.can_be_sought else ():
            file = self._reopened()
            self._losses.forget()
            at = done * file.unit - lead
            try:
                decoded = file.pictures_from(at - back)
            except av.error.FFmpegError:
                break
            first = next(decoded, None)
            if first is None or first.pts is None:
                break
            is_whole = not (first.is_corrupt or self._losses.total)
            early = first.key_frame and first.pts * file.unit <= at
            if early and is_whole and _skip_to(done, chain([first], decoded)):
                return decoded, False
        return self._reopened().pictures(whole=False), True

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _pictures_of(self, part: TimeSpan) -> Iterator[VideoFrame]:
        """Return the pictures of a part; decoding begins at the key frame before it."""
        file = self.file
        if not part.start:
            return file.of_part(part, file.pictures(whole=True))
        try:
            decoded = file.pictures_from(file.clock.start + part.start - file.lead - file.ahead)
        except av.error.FFmpegError:  # not seekable, and the failed attempt has moved the position
            file = self._reopened()
            decoded = file.pictures(whole=False)
        return file.of_part(part, decoded)

    def _reopened(self) -> VideoFile:
        self.file.close()
        order = self.file.order
        self.file = VideoFile(self._settings, self._losses, self._say, accelerator=self._accelerator, order=order)
        return self.file


def _skip_to(pts: int, pictures: Iterator[VideoFrame]) -> bool:
    """Consume the pictures up to the one with this pts; whether there is one."""
    for picture in pictures:
        if picture.pts is None or picture.pts >= pts:
            return picture.pts == pts
    return False
