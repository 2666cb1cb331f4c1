"""Opens a media file, and selects the video to upscale."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from sr4k.common.option_names import option
from sr4k.errors import InputError, Sr4kError
from sr4k.media.image_names import is_picture, is_sequence, numbers
from sr4k.media.options import FIRST_VIDEO, VideoChoice
from sr4k.media.paths import check_source, for_libav
from sr4k.media.reading.naming_others import NAMING_OTHERS, are_refused, trouble_of_list
from sr4k.media.reading.piped_source import CopyReader
from sr4k.media.reading.remote_source import RemoteSource
from sr4k.media.remote_path import RemotePath

# Tags that are not UTF-8: PyAV 18 fails on them by default, 19 returns text that can't be encoded again.
_IS_19 = int(av.__version__.split(".")[0]) >= 19
READ_TAGS: dict[str, Any] = {} if _IS_19 else {"metadata_errors": "replace"}

_COVER = "a cover picture"


class Readable(Protocol):
    """What libav reads instead of a file, from its beginning to its end.

    Attributes:
        name: name in messages.
    """

    name: str

    def read(self, most: int, /) -> bytes:
        """Return up to ``most`` bytes; nothing at the end."""
        ...


def open_input(
    path: Path, accelerator: HWAccel | None = None, rate: Fraction | None = None, *, alone: bool = False
) -> InputContainer:
    """Open a media file, a picture or an image sequence for reading.

    Args:
        path: the file, or the pattern of a sequence.
        accelerator: the hardware decoder; ``None``: decode on the CPU.
        rate: pictures a second of a sequence; ``None``: 25.
        alone: whether a file that names others, such as a playlist, is refused, also where the process allows them.

    Raises:
        InputError: the file doesn't exist, can't be read, libav can't read it as a media file, or it names others and
            that is refused.
    """
    check_source(path)
    form, options, name = None, dict[str, str](), for_libav(path)
    alone = alone or are_refused()
    if is_sequence(path):
        form = "image2"
        options = {
            "pattern_type": "sequence",
            "start_number": str(numbers(path)[0]),
            "framerate": str(rate or 25),
        }
        name = f"{for_libav(path.parent).replace('%', '%%')}/{path.name}"
    elif "%" in name:  # libav would take it for the pattern of a sequence
        form, options = "image2" if is_picture(path) else None, {"pattern_type": "none"}
    if alone:
        options["format_whitelist"] = _formats_alone()
    given: Any = RemoteSource(path.open()) if isinstance(path, RemotePath) else name
    try:
        container: InputContainer = av.open(given, format=form, options=options, hwaccel=accelerator, **READ_TAGS)
    except Sr4kError:
        raise
    except (av.error.FFmpegError, OSError) as err:
        if alone and isinstance(err, av.error.ArgumentError):
            raise InputError(
                f"{path} names other files, as playlists do, which is not allowed here, or its header is damaged."
            ) from err
        words = None if isinstance(path, RemotePath) else trouble_of_list(path, err)
        raise InputError(
            words or f"{path} is not a video that can be read, or its header is damaged ({err.strerror})."
        ) from err
    if container.format.name == "webp_pipe" and _is_animated(path):
        container.close()
        raise InputError(
            f"{path} is an animated WebP, which can't be read: save it as a GIF, a video or pictures first."
        )
    _make_legible(container)
    return container


@cache
def _formats_alone() -> str:
    """Return libav's ``format_whitelist`` of all formats whose files name no others."""
    known = {name for names in av.formats_available for name in names.split(",")}
    return ",".join(sorted(known - NAMING_OTHERS))


def open_piped(source: Readable) -> InputContainer:
    """Open what can only be read forwards. It can't make libav open any file, as a playlist could.

    Raises:
        InputError: it is no media that libav can read forwards.
        Sr4kError: raised by the source, and passed on.
    """
    try:
        container: InputContainer = av.open(source, options={"protocol_whitelist": "pipe"}, **READ_TAGS)
    except Sr4kError:
        raise
    except (av.error.FFmpegError, OSError) as err:
        raise InputError(
            f"{source.name} is not a video that can be read forwards, or its header is damaged ({err.strerror})."
        ) from err
    _make_legible(container)
    return container


def open_beside(path: Path, copy: Connection | None) -> InputContainer:
    """Open a source for what is beside its video.

    Args:
        path: the file; of a pipe, its name in messages.
        copy: what was read of that pipe; ``None``: it is a file.

    Raises:
        InputError: it can't be read.
    """
    return open_input(path) if copy is None else open_piped(CopyReader(copy, str(path)))


def _make_legible(container: InputContainer) -> None:
    """Replace what is not UTF-8 in tags."""
    for tags in (container.metadata, *(stream.metadata for stream in container.streams)):
        legible = {_legible(key): _legible(value) for key, value in tags.items()}
        tags.clear()
        tags.update(legible)


def _is_animated(path: Path) -> bool:
    """Whether a WebP file's header marks it as an animation, of which FFmpeg before 9 reads the first picture alone."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[12:16] == b"VP8X" and bool(head[20:21] and head[20] & 2)


def _legible(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def packets_of(container: InputContainer, *streams: Stream) -> "Iterator[Packet[Any]]":
    """Yield all packets of these streams, or of all, and at the end an empty one of each, to drain its decoder.

    Streams that appear midway, as in FLV, are left out; PyAV may then raise an IndexError at the end, which is ignored.

    Raises:
        av.error.FFmpegError: reading failed.
    """
    with suppress(IndexError):
        yield from container.demux(*streams)


def video_stream(container: InputContainer, path: Path, track: VideoChoice = FIRST_VIDEO) -> VideoStream:
    """Return the video to upscale.

    Args:
        container: the open file.
        path: its path, for errors.
        track: which of several videos.

    Raises:
        InputError: there is no such video, or no video at all.
    """
    videos = video_streams(container)
    for number, stream in enumerate(videos):
        if track.number == (stream.id if track.by_id else number):
            return stream
    if not videos and any(stream.codec_context is None for stream in container.streams.video):
        raise InputError(f"{path}: its video is in a codec that is not known, or its header is damaged.")
    if not videos:
        found = sorted(set(map(_kind, container.streams)), key=lambda kind: (kind == _COVER, kind))
        kinds = ", ".join(found) or "nothing"
        raise InputError(f"{path} has no video stream; it holds {kinds}.")
    has_ids = len({stream.id for stream in videos}) == len(videos)  # Matroska's are all 0
    known = ", ".join(
        f"{number} (i:{stream.id:#x})" if has_ids else f"{number}" for number, stream in enumerate(videos)
    )
    raise InputError(f"{path} has no video {track}: {option('track')} takes one of {known}.")


def _kind(stream: Stream) -> str:
    return _COVER if stream.disposition & Disposition.attached_pic else stream.type


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return all videos that libav can decode, without cover pictures, in the order of `VideoChoice`'s numbers."""
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None
    ]
