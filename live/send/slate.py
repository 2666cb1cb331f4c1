"""A picture to show while there is nothing to upscale."""

from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from sr4k.errors import OptionError
from sr4k.media.fitting import fitted
from sr4k.media.look import Look, Picture
from sr4k.media.planes import Block, rows_of
from sr4k.media.reading.open_file import open_input
from sr4k.media.video import VideoInfo


def load_slate(path: Path, info: VideoInfo) -> Block:
    """The picture in a file, in the form that the encoder is given: its shape kept, bars around it.

    Raises:
        OptionError: it can't be read.
    """
    try:
        with open_input(path) as container:
            frame = next(container.decode(video=0))
            picture = fitted(Picture(frame, Look.of(frame)), info).frame
    except (av.error.FFmpegError, OSError, StopIteration, IndexError) as err:
        raise OptionError(f"The slate {path} is no picture that can be read.") from err
    return _as_block(picture)


def _as_block(picture: VideoFrame) -> Block:
    parts = [
        rows_of(plane)[: picture.height // step, : picture.width // step].reshape(-1)
        for plane, step in zip(picture.planes, (1, 2, 2), strict=True)
    ]
    return np.concatenate(parts).reshape(picture.height * 3 // 2, picture.width)
