"""SRT, which libav has not here, through an ``ffmpeg`` that has it: MPEG-TS over a pipe."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import BinaryIO
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sr4k.errors import OptionError
from sr4k.live.address import Address
from sr4k.live.child import die_with_parent

_SECRETS = ("passphrase", "streamid")
"""Of a query: what SRT calls them, and libav too."""

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
    """A pipe for MPEG-TS to send.

    Secrets reach ffmpeg through a pipe of their own, as a file of options: command lines are for all to read.
    """
    url, secrets = _without_secrets(target.url)
    options, writable = os.pipe()
    with os.fdopen(writable, "w") as pipe:
        pipe.writelines(f"{key}={value}\n" for key, value in secrets)
    command = [require_srt(), *_QUIET, "-f", "mpegts", "-i", "pipe:0", "-c", "copy"]
    command += ["-fpre", f"/dev/fd/{options}", "-f", "mpegts", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(options,)) as ffmpeg:
        os.close(options)
        assert ffmpeg.stdin is not None
        try:
            yield ffmpeg.stdin  # type: ignore[misc]
        finally:
            ffmpeg.stdin.close()
            if ffmpeg.wait(2.0):
                raise BrokenPipeError


def _without_secrets(url: str) -> tuple[str, list[tuple[str, str]]]:
    """The address without them, and they as libav's options."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    public = urlencode([pair for pair in pairs if pair[0] not in _SECRETS], safe=":/,")
    return urlunsplit(parts._replace(query=public)), [pair for pair in pairs if pair[0] in _SECRETS]


def srt_reader(source: Address) -> int:
    """The reading end of a pipe of MPEG-TS; the ffmpeg that writes it ends with the thread that calls this.

    The address reaches it through its standard input, as a list of one: command lines are for all to read.
    """
    command = [require_srt(), *_QUIET, "-protocol_whitelist", "pipe,srt,udp", "-format_whitelist", "concat,mpegts"]
    command += ["-fflags", "nobuffer", "-f", "concat", "-safe", "0", "-i", "pipe:0"]
    # Nothing waits for the other track, or for sound enough to fill a packet.
    command += ["-c", "copy", "-max_interleave_delta", "1", "-flush_packets", "1"]
    command += ["-muxdelay", "0", "-muxpreload", "0", "-pes_payload_size", "0", "-f", "mpegts", "pipe:1"]
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb") as pipe:
        ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=pipe, preexec_fn=_set_free)
    assert ffmpeg.stdin is not None
    with suppress(BrokenPipeError), ffmpeg.stdin as script:
        url = source.url.replace("'", r"'\''")
        script.write(f"ffconcat version 1.0\nfile '{url}'\n".encode())
    return readable


def _set_free() -> None:
    """Between fork and exec: not to outlive the parent, and no part in its allowance of CPU time."""
    die_with_parent()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
