"""The containers that a video can be written to."""

from pathlib import Path

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
