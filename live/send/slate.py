"""Load the slate: the still picture that is sent while the source is away."""

from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from sr4k.errors import InputError, OptionError
from sr4k.media.fitting import fitted
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.paths import check_source
from sr4k.media.planes import Block, rows_of
from sr4k.media.reading.open_file import open_input
from sr4k.media.video import VideoInfo


def load_slate(path: Path, info: VideoInfo) -> Block:
    """Read a picture and fit it into the stream's frame, with bars where its aspect ratio differs.

    Returns:
        8-bit 4:2:0 planes as one block, uint8 of (height * 3 / 2, width).

    Raises:
        OptionError: the file doesn't exist, or can't be read as a picture.
    """
    try:
        check_source(path)
    except InputError as err:
        raise OptionError(f"The slate {err}") from err
    try:
        with open_input(path, alone=True) as container:
            frame = next(container.decode(video=0))
            picture = fitted(DecodedPicture(frame, Look.of(frame)), info).frame
    except (av.error.FFmpegError, OSError, StopIteration, IndexError) as err:
        raise OptionError(f"The slate {path} can't be read as a picture: use a PNG or JPEG file.") from err
    return _as_block(picture)


def black(info: VideoInfo) -> Block:
    """Return a black picture in the form of `load_slate`."""
    block = np.full((info.height * 3 // 2, info.width), info.colour.middle, np.uint8)
    block[: info.height] = info.colour.black
    return block


def _as_block(picture: VideoFrame) -> Block:
    parts = [
        rows_of(plane)[: picture.height // step, : picture.width // step].reshape(-1)
        for plane, step in zip(picture.planes, (1, 2, 2), strict=True)
    ]
    return np.concatenate(parts).reshape(picture.height * 3 // 2, picture.width)
