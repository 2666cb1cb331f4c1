"""Opening a media file, and choosing what to upscale in it."""

from pathlib import Path
from typing import Any

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from sr4k.errors import InputError

# PyAV 19 reads tags that are not UTF-8 as they are; 18 fails on them unless told otherwise.
_READ_TAGS: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}


def open_input(path: Path, accelerator: HWAccel | None = None) -> InputContainer:
    """Open a media file for reading; errors in the user's words."""
    try:
        container: InputContainer = av.open(str(path), hwaccel=accelerator, **_READ_TAGS)
    except FileNotFoundError as err:
        raise InputError(f"{path} does not exist.") from err
    except IsADirectoryError as err:
        raise InputError(f"{path} is a folder, not a video file.") from err
    except PermissionError as err:
        raise InputError(f"{path} may not be read: check its permissions.") from err
    except (av.error.FFmpegError, OSError) as err:
        raise InputError(f"{path} is not a video that can be read, or its header is damaged ({err.strerror}).") from err
    return container


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream to upscale: the first video stream that is not a cover picture, and that libav has a decoder for."""
    videos = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    for stream in videos:
        if stream.codec_context is not None:
            return stream
    if videos:
        raise InputError(f"{path}: its video is in a codec that is not known, or its header is damaged.")
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise InputError(f"{path} has no video stream; it holds {kinds}.")
