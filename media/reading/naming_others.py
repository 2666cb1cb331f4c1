"""Files that name other files, such as playlists: libav opens what they name, wherever that lies.

The command reads them, as whoever gives it one may read what it names. The service does not: a link or a path in such a
file would lead out of its libraries.
"""

import os

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
