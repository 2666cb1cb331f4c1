"""SRT through an external ``ffmpeg``, since PyAV's libav is built without it: MPEG-TS over a pipe."""

import os
import resource
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from secrets import token_hex
from typing import IO, BinaryIO
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sr4k.errors import OptionError, OutputError
from sr4k.live.address import Address
from sr4k.live.child_main import die_with_parent

_PUBLIC = {
    *("mode", "latency", "rcvlatency", "peerlatency", "tsbpddelay", "connect_timeout", "listen_timeout", "timeout"),
    *("pkt_size", "payload_size", "maxbw", "inputbw", "oheadbw", "mss", "ffs", "ipttl", "iptos", "transtype", "linger"),
    *("pbkeylen", "kmrefreshrate", "kmpreannounce", "snddropdelay", "tlpktdrop", "nakreport", "lossmaxttl"),
    *("sndbuf", "rcvbuf", "send_buffer_size", "recv_buffer_size", "minversion", "smoother", "messageapi", "tsbpd"),
}
"""Options of an SRT URL that may appear on a command line, which every user of the machine can read."""

_PRESET_NAMES = {"streamid": "srt_streamid"}
"""Other names of options in preset files: ffmpeg has an option of its own called ``streamid``."""

_QUIET = ("-hide_banner", "-loglevel", "quiet", "-nostats")

_PROMPT = ("-analyzeduration", "1000000", "-fpsprobesize", "0")
"""Probe one second only, which contains every track: ffmpeg connects once it has probed."""

_COPIED = ("-c", "copy", "-max_interleave_delta", "1", "-flush_packets", "1", "-pes_payload_size", "0")
"""Copy packets: none waits for the other track beyond the next one, or for enough sound to fill it."""

_RAW_FROM = ("-nostdin", "-protocol_whitelist", "srt,udp", "-f", "data", "-i")
_RAW_TO = ("-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "data")
"""Pass bytes on without looking into them."""

_SCRIPTED = (
    *("-protocol_whitelist", "pipe,srt,udp", "-format_whitelist", "concat,mpegts"),
    *("-fflags", "nobuffer", "-f", "concat", "-safe", "0", "-i", "pipe:0"),
    *(*_COPIED, "-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts"),
)
"""Read the address from a script on standard input."""

_REFUSALS = (
    (("BADSECRET", "Incorrect passphrase"), "the other side has a different passphrase"),
    (("UNSECURE", "Password required"), "only one of the two sides has a passphrase"),
    (("REJECT", "rejected"), "the other side refused the connection"),
)
"""Words in libsrt's messages, with their meaning."""


@cache
def require_srt(*, with_secrets: bool = False) -> str:
    """Return the path of the first ffmpeg on PATH that supports SRT.

    Args:
        with_secrets: whether it must also accept options from a preset file, so that no secret is on its command line.

    Raises:
        OptionError: no ffmpeg on PATH qualifies.
    """
    found = ffmpegs()
    if not found:
        raise OptionError("SRT needs the program ffmpeg, which is not on PATH: install it.")
    able = [path for path in found if "srt" in _run(path, *_QUIET, "-protocols").split()]
    if not able:
        raise OptionError(f"{found[0]} was built without SRT: install an ffmpeg with libsrt.")
    discreet = next((path for path in able if _heeds_presets(path)), None) if with_secrets else able[0]
    if discreet is None:
        raise OptionError(
            f"{able[0]} accepts a passphrase or stream id only on its command line, which everybody on this machine "
            "can read, so nothing is sent: put an older ffmpeg with SRT on PATH (5.1 will do)."
        )
    return discreet


def ffmpegs() -> list[str]:
    """Return the paths of all ffmpeg programs on PATH, in its order."""
    folders = dict.fromkeys(folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    return [path for folder in folders if (path := shutil.which("ffmpeg", path=folder)) is not None]


def _run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stdout.decode("latin-1")


def _heeds_presets(ffmpeg: str) -> bool:
    """Whether this ffmpeg applies a preset file's options to muxers and protocols: ffmpeg 9 silently ignores them."""
    with _preset([("rf64", "always")]) as options:
        command = [ffmpeg, *_QUIET, "-f", "u8", "-ar", "8000", "-ac", "1", "-i", "pipe:0", "-c", "copy"]
        command += ["-fpre", f"/dev/fd/{options}", "-f", "wav", "pipe:1"]
        done = subprocess.run(command, input=bytes(8000), capture_output=True, pass_fds=(options,), check=False)
    return done.stdout.startswith(b"RF64")


class SrtPipe:
    """Writable file object: an ffmpeg sends the MPEG-TS that is written to it."""

    def __init__(self, ffmpeg: "subprocess.Popen[bytes]", progress: int) -> None:
        assert ffmpeg.stdin is not None and ffmpeg.stderr is not None
        self._stdin, self._ffmpeg = ffmpeg.stdin, ffmpeg
        self._sent = 0
        self._messages: deque[str] = deque(maxlen=50)
        self._threads = [
            threading.Thread(target=self._follow, args=(os.fdopen(progress, "rb"),), daemon=True),
            threading.Thread(target=self._hear, args=(ffmpeg.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> int:
        """Pass MPEG-TS on to ffmpeg, and return the number of bytes written.

        Raises:
            BrokenPipeError: ffmpeg has exited.
        """
        return self._stdin.write(data)

    def sent(self) -> int:
        """Return the number of bytes sent to the other side: 0 until it has accepted the connection."""
        return self._sent

    def end(self) -> None:
        """Close the pipe and wait until ffmpeg has sent the rest.

        Raises:
            OutputError: ffmpeg failed, or did not exit within two seconds.
        """
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            code = self._ffmpeg.wait(2.0)
        except subprocess.TimeoutExpired:
            self._ffmpeg.kill()
            raise OutputError("ffmpeg did not exit.") from None
        for thread in self._threads:
            thread.join(1.0)
        if code:
            raise OutputError(f"{self._reason(code)}.")

    def _reason(self, code: int) -> str:
        messages = "\n".join(self._messages)
        if code < 0:
            return f"ffmpeg was ended by signal {signal.Signals(-code).name}"
        meant = next((meaning for words, meaning in _REFUSALS if any(word in messages for word in words)), None)
        return meant or ("the connection broke off" if self._sent else "nobody answers there")

    def _follow(self, progress: BinaryIO) -> None:
        with progress:
            for line in progress:
                key, _, value = line.strip().partition(b"=")
                if key == b"total_size" and value.isdigit():
                    self._sent = int(value)

    def _hear(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self._messages.append(line.decode("latin-1"))


@contextmanager
def srt_writer(target: Address) -> Iterator[SrtPipe]:
    """Start an ffmpeg that sends MPEG-TS to an SRT address, and yield the pipe to it.

    Secrets reach ffmpeg as a preset file, through a pipe of their own. In case it ignores the file, its command line
    has a random passphrase: then no connection is made, and nothing is sent unencrypted.

    Raises:
        OptionError: no ffmpeg on PATH can do this, or an option of the address is empty.
        OutputError: sending failed.
    """
    url, secrets = _without_secrets(target.url)
    is_encrypted = any(key == "passphrase" for key, _ in secrets)
    command = [require_srt(with_secrets=bool(secrets)), "-hide_banner", "-loglevel", "error", "-nostats"]
    progress, progress_end = os.pipe()
    command += ["-progress", f"pipe:{progress_end}", *_PROMPT, "-f", "mpegts", "-i", "pipe:0"]
    with _preset(secrets) as options:
        command += ["-passphrase", token_hex(16)] if is_encrypted else []
        command += ["-fpre", f"/dev/fd/{options}"] if secrets else []
        try:
            ffmpeg = subprocess.Popen(
                [*command, *_COPIED, "-omit_video_pes_length", "0", "-f", "mpegts", url],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(options, progress_end),
                preexec_fn=die_with_parent,
            )
        finally:
            os.close(progress_end)
    with ffmpeg:
        pipe = SrtPipe(ffmpeg, progress)
        try:
            yield pipe
        finally:
            pipe.end()


@contextmanager
def _preset(options: list[tuple[str, str]]) -> Iterator[int]:
    """Yield the reading end of a pipe that holds these options in the form of an ffmpeg preset file."""
    readable, writable = os.pipe()
    with os.fdopen(writable, "w") as pipe:
        pipe.writelines(f"{key}={value}\n" for key, value in options)
    try:
        yield readable
    finally:
        os.close(readable)


def secrets_of(target: Address) -> list[tuple[str, str]]:
    """Return the secrets in an SRT address, as (name, value) of libav's options.

    Raises:
        OptionError: one of them is empty, or has a line break.
    """
    return _without_secrets(target.url)[1]


def _without_secrets(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the address without its secrets, and the secrets as libav's options."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [(_PRESET_NAMES.get(key, key), value) for key, value in pairs if key not in _PUBLIC]
    if any(not value or "\n" in value or "\r" in value for _, value in secrets):
        raise OptionError(
            "An option of the SRT address is empty or has a line break: give it a value, or leave it out."
        )
    public = urlencode([pair for pair in pairs if pair[0] in _PUBLIC], safe=":/,")
    host = parts.netloc.rpartition("@")[2]
    # SRT has no path: what stands there may be a key all the same
    return urlunsplit(parts._replace(netloc=host, path="", query=public, fragment="")), secrets


def srt_reader(source: Address) -> int:
    """Start an ffmpeg that reads an SRT address, and return the reading end of a pipe of MPEG-TS.

    The ffmpeg ends with the thread that calls this. It passes the bytes on as they come: whoever reads them finds the
    tracks, also those that begin late.

    With a passphrase or stream id it reads address and options from its standard input, as a concat script of one
    entry, since every user can read command lines, and ffmpeg does not decode ``%XX`` in an address. Concat has no
    other form than demuxed packets: those of the seconds that it takes to find the tracks are lost.

    Raises:
        OptionError: no ffmpeg on PATH supports SRT, or an option of the address is empty.
    """
    url, secrets = _without_secrets(source.url)
    lines = ["ffconcat version 1.0", f"file {_quoted(url)}", *(f"option {k} {_quoted(v)}" for k, v in secrets)]
    script = "".join(f"{line}\n" for line in lines) if secrets else ""
    readable, writable = os.pipe()
    with os.fdopen(writable, "wb") as pipe:
        ffmpeg = subprocess.Popen(
            [require_srt(), *_QUIET, *(_SCRIPTED if secrets else (*_RAW_FROM, url, *_RAW_TO)), "pipe:1"],
            stdin=subprocess.PIPE,
            stdout=pipe,
            preexec_fn=_prepare_child,
        )
    assert ffmpeg.stdin is not None
    with suppress(BrokenPipeError), ffmpeg.stdin as told:
        told.write(script.encode())
    return readable


def _quoted(text: str) -> str:
    """Quote text as one word of a concat script."""
    return "'{}'".format(text.replace("'", r"'\''"))


def _prepare_child() -> None:
    """Run between fork and exec: die with the parent, and lift the soft limit of CPU time inherited from it."""
    die_with_parent()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
