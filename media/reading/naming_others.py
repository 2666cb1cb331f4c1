"""Files that name other files, such as playlists: libav opens what they name, wherever that lies.

The command reads them, as whoever gives it one may read what it names. The service does not: a link or a path in such a
file would lead out of its libraries.
"""

import errno
import os
from pathlib import Path

_SCRIPT = b"ffconcat version 1.0"

_LISTS = (_SCRIPT, b"#EXTM3U")
"""How scripts of ``concat`` and playlists begin."""

_REFUSED = "SR4K_REFUSE_FILES_THAT_NAME_OTHERS"
"""Environment variable, as all processes that read a video for this one have to keep to it."""

NAMING_OTHERS = {
    "avisynth",
    "concat",
    "dash",
    "hls",
    "imf",
    "mlv",  # a recording in several files, each beside the first
    "rtp",
    "rtsp",
    "sap",
    "sdp",
    "vapoursynth",
    "vobsub",  # the index of a file beside it
}
"""libav's demuxers that open what a file names, or run it. That of MOV and MP4 opens no external media by default."""


def refuse_files_that_name_others() -> None:
    """Let this process, and all that it starts from now on, open no file that names others."""
    os.environ[_REFUSED] = "1"


def are_refused() -> bool:
    """Whether this process opens no file that names others."""
    return _REFUSED in os.environ


def trouble_of_list(path: Path, error: Exception) -> str | None:
    """Return what is wrong with a list that libav can't open, in words; ``None``: the file is no list.

    Args:
        path: of a file on this machine.
        error: libav's.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(len(_SCRIPT))
    except OSError:
        return None
    if not begin.startswith(_LISTS):
        return None
    number, reason = getattr(error, "errno", None), getattr(error, "strerror", error)
    if begin == _SCRIPT and number == errno.EPERM:
        return (
            f"{path} lists a file whose name is refused: names in it must be relative to its folder, such as "
            "part1/a.mkv, of the letters a to z, digits, dots, dashes and underscores, without a dot at the beginning "
            "or after a slash."
        )
    return f"{path} is a list of files, and the first of them can't be read, or the list is damaged ({reason})."
