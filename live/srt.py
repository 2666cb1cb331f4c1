"""SRT, which libav has not here, through an ``ffmpeg`` that has it: MPEG-TS over a pipe."""

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
"""Of a query: what may stand in a command line, which is for all to read."""

_PRESET_NAMES = {"streamid": "srt_streamid"}
"""What else the same option is called: ffmpeg itself has one of the first name."""

_QUIET = ("-hide_banner", "-loglevel", "quiet", "-nostats")

_PROMPT = ("-analyzeduration", "1000000", "-fpsprobesize", "0")
"""A second of the stream has all that is in it. ffmpeg connects when it has seen that."""

_REFUSALS = (
    (("BADSECRET", "Incorrect passphrase"), "the other side has another passphrase"),
    (("UNSECURE", "Password required"), "one side has a passphrase, and the other has none"),
    (("REJECT", "rejected"), "the other side refused the connection"),
)
"""What libsrt says, and what it means."""


@cache
def require_srt(*, with_secrets: bool = False) -> str:
    """The path of the first ffmpeg on PATH that can do it; ``with_secrets``: that can be told them unseen.

    Raises:
        OptionError: there is none.
    """
    found = ffmpegs()
    if not found:
        raise OptionError("SRT needs the program ffmpeg, which is not on PATH: install it.")
    able = [path for path in found if "srt" in _run(path, *_QUIET, "-protocols").split()]
    if not able:
        raise OptionError(f"{found[0]} was built without SRT: install one with libsrt.")
    discreet = next((path for path in able if _heeds_presets(path)), None) if with_secrets else able[0]
    if discreet is None:
        raise OptionError(
            f"{able[0]} takes a passphrase or a stream id only where everybody on this machine can read it, so nothing "
            "is sent: put an older ffmpeg with SRT on PATH (5.1 will do)."
        )
    return discreet


def ffmpegs() -> list[str]:
    """The paths of all on PATH."""
    folders = dict.fromkeys(folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder)
    return [path for folder in folders if (path := shutil.which("ffmpeg", path=folder)) is not None]


def _run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stdout.decode("latin-1")


def _heeds_presets(ffmpeg: str) -> bool:
    """Whether options of a muxer or protocol reach it from a file of them: ffmpeg 9 passes over them without a word."""
    with _preset([("rf64", "always")]) as options:
        command = [ffmpeg, *_QUIET, "-f", "u8", "-ar", "8000", "-ac", "1", "-i", "pipe:0", "-c", "copy"]
        command += ["-fpre", f"/dev/fd/{options}", "-f", "wav", "pipe:1"]
        done = subprocess.run(command, input=bytes(8000), capture_output=True, pass_fds=(options,), check=False)
    return done.stdout.startswith(b"RF64")


class SrtPipe:
    """A file for MPEG-TS, to an ffmpeg that sends it."""

    def __init__(self, ffmpeg: "subprocess.Popen[bytes]", progress: int) -> None:
        assert ffmpeg.stdin is not None and ffmpeg.stderr is not None
        self._stdin, self._ffmpeg = ffmpeg.stdin, ffmpeg
        self._sent = 0
        self._said: deque[str] = deque(maxlen=50)
        self._threads = [
            threading.Thread(target=self._follow, args=(os.fdopen(progress, "rb"),), daemon=True),
            threading.Thread(target=self._hear, args=(ffmpeg.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes) -> int:
        """Hand it on."""
        return self._stdin.write(data)

    def sent(self) -> int:
        """Bytes that went to the other side: none before it has agreed."""
        return self._sent

    def end(self) -> None:
        """Let it send what it has.

        Raises:
            OutputError: it failed.
        """
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            code = self._ffmpeg.wait(2.0)
        except subprocess.TimeoutExpired:
            self._ffmpeg.kill()
            raise OutputError("ffmpeg did not end.") from None
        for thread in self._threads:
            thread.join(1.0)
        if code:
            raise OutputError(f"{self._reason(code)}.")

    def _reason(self, code: int) -> str:
        said = "\n".join(self._said)
        if code < 0:
            return f"ffmpeg was ended by {signal.Signals(-code).name}"
        meant = next((meaning for words, meaning in _REFUSALS if any(word in said for word in words)), None)
        return meant or ("the connection broke off" if self._sent else "nobody answers there")

    def _follow(self, progress: BinaryIO) -> None:
        with progress:
            for line in progress:
                key, _, value = line.strip().partition(b"=")
                if key == b"total_size" and value.isdigit():
                    self._sent = int(value)

    def _hear(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self._said.append(line.decode("latin-1"))


@contextmanager
def srt_writer(target: Address) -> Iterator[SrtPipe]:
    """A pipe for MPEG-TS to send.

    Secrets reach ffmpeg through a pipe of their own, as a file of options. Should it pass over them, the passphrase is
    one that nobody knows, and no connection comes about: nothing goes out in the clear.

    Raises:
        OptionError: no ffmpeg here can do that.
        OutputError: it failed.
    """
    url, secrets = _without_secrets(target.url)
    is_encrypted = any(key == "passphrase" for key, _ in secrets)
    command = [require_srt(with_secrets=bool(secrets)), "-hide_banner", "-loglevel", "error", "-nostats"]
    told, tells = os.pipe()
    command += ["-progress", f"pipe:{tells}", *_PROMPT, "-f", "mpegts", "-i", "pipe:0", "-c", "copy"]
    with _preset(secrets) as options:
        command += ["-passphrase", token_hex(16)] if is_encrypted else []
        command += ["-fpre", f"/dev/fd/{options}"] if secrets else []
        try:
            ffmpeg = subprocess.Popen(
                [*command, "-f", "mpegts", url],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(options, tells),
                preexec_fn=die_with_parent,
            )
        finally:
            os.close(tells)
    with ffmpeg:
        pipe = SrtPipe(ffmpeg, told)
        try:
            yield pipe
        finally:
            pipe.end()


@contextmanager
def _preset(options: list[tuple[str, str]]) -> Iterator[int]:
    """The reading end of a pipe that holds them as ffmpeg's presets are written."""
    readable, writable = os.pipe()
    with os.fdopen(writable, "w") as pipe:
        pipe.writelines(f"{key}={value}\n" for key, value in options)
    try:
        yield readable
    finally:
        os.close(readable)


def secrets_of(target: Address) -> list[tuple[str, str]]:
    """What of an SRT address must not be seen, as libav's options.

    Raises:
        OptionError: one of them is empty.
    """
    return _without_secrets(target.url)[1]


def _without_secrets(url: str) -> tuple[str, list[tuple[str, str]]]:
    """The address without them, and they as libav's options."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [(_PRESET_NAMES.get(key, key), value) for key, value in pairs if key not in _PUBLIC]
    if any(not value or "\n" in value or "\r" in value for _, value in secrets):
        raise OptionError(
            "An option of the SRT address is empty or has a line break: give it a value, or leave it out."
        )
    public = urlencode([pair for pair in pairs if pair[0] in _PUBLIC], safe=":/,")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query=public, fragment="")), secrets


def srt_reader(source: Address) -> int:
    """The reading end of a pipe of MPEG-TS; the ffmpeg that writes it ends with the thread that calls this.

    The address reaches it through its standard input, as a list of one: command lines are for all to read. Passphrase
    and stream id are options of it, since of an address ffmpeg takes ``%XX`` as it stands.

    Raises:
        OptionError: no ffmpeg here can do that, or an option of the address is empty.
    """
    url, secrets = _without_secrets(source.url)
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
        lines = ["ffconcat version 1.0", f"file {_quoted(url)}", *(f"option {k} {_quoted(v)}" for k, v in secrets)]
        script.write("".join(f"{line}\n" for line in lines).encode())
    return readable


def _quoted(text: str) -> str:
    """As one word of a list of files."""
    return "'{}'".format(text.replace("'", r"'\''"))


def _set_free() -> None:
    """Between fork and exec: not to outlive the parent, and no part in its allowance of CPU time."""
    die_with_parent()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
