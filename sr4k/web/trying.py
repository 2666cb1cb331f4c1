"""One picture of a video, made larger in several ways, to compare them. It runs in a process of its own."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sr4k.errors import InputError

if TYPE_CHECKING:
    from sr4k.media.options import ReadSettings

LANCZOS = "lanczos"
"""The way that needs no network: interpolation, as players do it."""


def pictures_of(source: str, at: float, models: list[str], folder: str) -> dict[str, Any]:
    """Write one picture of a video as JPEG files, all of one size, each named after what made it.

    Args:
        source: path of a video.
        at: time in seconds.
        models: networks by name; the first one's result sets the size.
        folder: that they are written to; `LANCZOS` is always among them.

    Returns:
        The size of the pictures and of the source's.

    Raises:
        InputError: there is no picture at that time.
        Sr4kError: the video can't be read, or a network can't be run.
    """
    import numpy as np

    from sr4k.memory.upscaler import Upscaler

    rgb = _picture(source, at)
    height, width = rgb.shape[:2]
    made = {}
    for name in models:
        with Upscaler(name) as upscaler:
            made[name] = upscaler(rgb)
    first = made[models[0]]
    size = first.shape[1], first.shape[0]
    made = {name: _resized(large, size) for name, large in made.items()} | {LANCZOS: _resized(rgb, size)}
    for name, large in made.items():
        _write(Path(folder) / f"{name}.jpg", np.ascontiguousarray(large))
    return {"width": size[0], "height": size[1], "source_width": width, "source_height": height}


def pictures_of_result(source: str, result: str, at: float, folder: str) -> dict[str, Any]:
    """Write one picture of a finished result as ``result.jpg``, and the source's beside it as ``lanczos.jpg``.

    Raises:
        InputError: as for `pictures_of`.
    """
    ours, theirs = _picture(result, at), _picture(source, at)
    size = ours.shape[1], ours.shape[0]
    _write(Path(folder) / "result.jpg", ours)
    _write(Path(folder) / f"{LANCZOS}.jpg", _resized(theirs, size))
    return {"width": size[0], "height": size[1], "source_width": theirs.shape[1], "source_height": theirs.shape[0]}


def _picture(path: str, at: float) -> Any:
    from sr4k.media.options import ReadSettings

    return picture_at(ReadSettings(path=Path(path)), Fraction(at).limit_denominator(1000))


def picture_at(reading: "ReadSettings", at: Fraction) -> Any:
    """Return the first picture from a time on as RGB (H, W, 3), uint8.

    Args:
        reading: what to read, but for the part.
        at: seconds after the video's beginning.

    Raises:
        InputError: there is none, or the video can't be read.
    """
    from dataclasses import replace

    from sr4k.media.options import TimeSpan
    from sr4k.media.reading.reader import VideoReader
    from sr4k.media.scaling import Scaler

    part = TimeSpan(at, Fraction(10)) if at > 0 else None
    with VideoReader(replace(reading, part=part)) as reader:
        for picture, _ in reader.pictures():
            frame = reader.fit(picture).frame
            colour = replace(reader.info.colour, full_range=True)
            size = frame.width, frame.height
            return Scaler("bicubic")(frame, size, "rgb24", reader.info.colour, colour).to_ndarray()
    raise InputError(f"{reading.path} has no picture at {float(at):g} seconds: choose an earlier time.")


def _resized(rgb: Any, size: tuple[int, int]) -> Any:
    from sr4k.common.opencv import cv2

    return rgb if rgb.shape[1::-1] == size else cv2.resize(rgb, size, interpolation=cv2.INTER_LANCZOS4)


def _write(path: Path, rgb: Any) -> None:
    from sr4k.common.opencv import cv2

    finest = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    path.write_bytes(cv2.imencode(".jpg", rgb[:, :, ::-1], finest)[1].tobytes())
