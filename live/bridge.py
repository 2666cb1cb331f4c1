"""SRT, which libav has not here, through an ``ffmpeg`` that has it: MPEG-TS over a pipe."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

from sr4k.errors import OptionError
from sr4k.live.address import Address

_QUIET = ("-hide_banner", "-loglevel", "quiet", "-nostats")


@cache
def require_srt() -> str:
    """The path of an ffmpeg that can do it.

    Raises:
        OptionError: there is none.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise OptionError("SRT needs the program ffmpeg, which is not on PATH: install it.")
    listed = subprocess.run([ffmpeg, *_QUIET, "-protocols"], capture_output=True, text=True, check=False)
    if "srt" not in listed.stdout.split():
        raise OptionError(f"{ffmpeg} was built without SRT: install one with libsrt.")
    return ffmpeg


@contextmanager
def srt_writer(target: Address) -> Iterator[BinaryIO]:
    """A pipe for MPEG-TS to send."""
    command = [require_srt(), *_QUIET, "-f", "mpegts", "-i", "pipe:0", "-c", "copy", "-f", "mpegts", target.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin is not None
        try:
            yield ffmpeg.stdin  # type: ignore[misc]
        finally:
            ffmpeg.stdin.close()
            if ffmpeg.wait(2.0):
                raise BrokenPipeError


@contextmanager
def srt_reader(source: Address) -> Iterator[BinaryIO]:
    """A pipe of MPEG-TS that comes."""
    command = [require_srt(), *_QUIET, "-i", source.url, "-c", "copy", "-f", "mpegts", "pipe:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as ffmpeg:
        assert ffmpeg.stdout is not None
        try:
            yield ffmpeg.stdout  # type: ignore[misc]
        finally:
            ffmpeg.kill()
