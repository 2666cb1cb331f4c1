"""The containers that a video can be written to."""

from pathlib import Path

from sr4k.common.option_names import option
from sr4k.errors import OptionError

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".flv": "flv",
    ".nut": "nut",
}
"""libav's name of the container for each suffix. Others, such as AVI, ASF or MXF, can't store exact times."""


PIPED = {"matroska": ".mkv", "nut": ".nut", "mpegts": ".ts", "webm": ".webm", "flv": ".flv"}
"""Suffix of each container, by libav's name, that can be written forwards from its beginning to its end."""

RAW = ("yuv4mpegpipe", "rawvideo")
"""libav's names of formats that hold pictures as they are, and nothing else."""

_ALIASES = {"y4m": "yuv4mpegpipe", "mkv": "matroska", "ts": "mpegts"}


def piped_format(name: str) -> str:
    """Return libav's name of a format that can be written to a pipe.

    Args:
        name: that name, or one of `_ALIASES`.

    Raises:
        OptionError: It can't be written to a pipe, or isn't supported.
    """
    found = _ALIASES.get(name, name)
    if found in PIPED or found in RAW:
        return found
    if found in CONTAINERS.values():
        raise OptionError(
            f"{name} can't be written to a pipe, because its index is written to the beginning at the end: use "
            f"{option('format', 'matroska')} or {option('format', 'nut')}, or name a file."
        )
    raise OptionError(f"'{name}' isn't a format for a pipe: use {', '.join((*PIPED, *RAW))}.")


def container_of(path: Path) -> str:
    """Return libav's name of the container that a target's suffix chooses.

    Raises:
        OptionError: It chooses none that can be written.
    """
    try:
        return CONTAINERS[path.suffix.lower()]
    except KeyError:
        raise OptionError(f"'{path.suffix}' isn't a container that can be written: use {in_words()}.") from None


def is_blu_ray(path: Path) -> bool:
    """Whether a target is the MPEG-TS of Blu-ray and AVCHD: packets of 192 bytes, PGS subtitles."""
    return path.suffix.lower() in (".m2ts", ".mts")


def in_words() -> str:
    """Return all suffixes for a message: ``.mp4, .m4v … or .nut``."""
    *others, last = CONTAINERS
    return f"{', '.join(others)} or {last}"
