"""SRT through ffmpeg: secrets stay secret, whichever ffmpeg is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
from clips import blank, write_clip
from udp_ports import is_bound

from rig.channel import eventually
from rig.servers import free_port
from sr4k.errors import OptionError, OutputError
from sr4k.live import srt
from sr4k.live.address import parse_source, parse_target

FFMPEG = shutil.which("ffmpeg") or ""
PASSPHRASE = "thatnobodymaysee"

pytestmark = pytest.mark.skipif(
    not FFMPEG or "srt" not in subprocess.run([FFMPEG, "-protocols"], capture_output=True, text=True).stdout,
    reason="needs an ffmpeg with SRT",
)


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Forget which ffmpeg was found, since tests change PATH."""
    forget = srt.require_srt.cache_clear  # a test may replace the function
    forget()
    yield
    forget()


@pytest.fixture
def deaf(tmp_path: Path) -> Path:
    """An ffmpeg that silently ignores preset files, as version 9 does for options of protocols."""
    path = tmp_path / "bin" / "ffmpeg"
    path.parent.mkdir()
    path.write_text(
        f'#!/bin/bash\nargs=()\nwhile [ $# -gt 0 ]; do\n[ "$1" = -fpre ] && shift || args+=("$1")\nshift\ndone\n'
        f'exec {FFMPEG} "${{args[@]}}"\n'
    )
    path.chmod(0o755)
    return path


SOON = "connect_timeout=500"
"""Milliseconds after which an ffmpeg that hears no answer gives up: its own limit is three seconds."""


@contextmanager
def listening(query: str, out: Path) -> Iterator[str]:
    """Run a listener, and yield its address."""
    port = free_port(socket.SOCK_DGRAM)
    url = f"srt://127.0.0.1:{port}"
    command = [FFMPEG, "-loglevel", "quiet", "-i", f"{url}?mode=listener{query}", "-c", "copy", "-y", str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as listener:
        try:
            eventually(lambda: is_bound(port), 30)
            yield url
        finally:
            listener.kill()


def send(url: str, seconds: int = 8) -> int:
    """Send a stream until it is refused; return the number of bytes sent."""
    with srt.srt_writer(parse_target(url)) as pipe:
        with av.open(pipe, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream = container.add_stream("mpeg2video", rate=25, options={"g": "5"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(25 * seconds):
                frame = blank(64, 48)
                frame.pts = number
                container.mux(stream.encode(frame))
        eventually(lambda: pipe.sent() or pipe._ffmpeg.poll() is not None, 10)  # or it was refused
        return pipe.sent()


@pytest.mark.slow
def test_an_ffmpeg_that_passes_over_secrets_is_not_used_for_them(deaf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{deaf.parent}:/usr/bin:/bin")
    assert srt.require_srt() == str(deaf)
    assert srt.require_srt(with_secrets=True) == FFMPEG
    srt.require_srt.cache_clear()
    monkeypatch.setenv("PATH", f"{deaf.parent}:{deaf.parent}")
    with pytest.raises(OptionError, match="so nothing is sent"):
        srt.require_srt(with_secrets=True)


@pytest.mark.slow
@pytest.mark.parametrize("query", ["", "&passphrase=another1234"])
def test_should_one_be_used_all_the_same_nothing_goes_out_in_the_clear(
    deaf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(srt, "require_srt", lambda **_wishes: str(deaf))
    with listening(query, tmp_path / "got.ts") as url, pytest.raises((OutputError, BrokenPipeError)):
        send(f"{url}?passphrase={PASSPHRASE}&{SOON}")
    assert not (tmp_path / "got.ts").exists() or not (tmp_path / "got.ts").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("&passphrase=another1234", "the other side has a different passphrase"),
        ("", "only one of the two sides has a passphrase"),
    ],
)
def test_a_refusal_is_told_and_never_called_a_connection(tmp_path: Path, query: str, reason: str) -> None:
    with listening(query, tmp_path / "got.ts") as url, pytest.raises(OutputError, match=reason):
        send(f"{url}?passphrase={PASSPHRASE}&{SOON}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a puller ends without waiting for it
def test_what_comes_is_passed_on_from_its_first_byte_before_its_tracks_are_known(tmp_path: Path) -> None:
    sent = write_clip(tmp_path / "sent.ts", frames=20).read_bytes()
    port = free_port(socket.SOCK_DGRAM)
    url = f"srt://127.0.0.1:{port}"
    with os.fdopen(srt.srt_reader(parse_source(f"{url}?mode=listener")), "rb") as pipe:
        eventually(lambda: is_bound(port), 30)
        command = [FFMPEG, "-loglevel", "quiet", "-f", "data", "-i", "pipe:0", "-map", "0", "-c", "copy"]
        with subprocess.Popen([*command, "-flush_packets", "1", "-f", "data", url], stdin=subprocess.PIPE) as sender:
            assert sender.stdin is not None
            sender.stdin.write(sent)
            sender.stdin.flush()
            assert pipe.read(len(sent)) == sent


@pytest.mark.parametrize("name", ["streamid", "srt_streamid", "passphrase", "whatever"])
def test_nothing_that_may_be_secret_stands_in_a_command_line(name: str) -> None:
    url, secrets = srt._without_secrets(f"srt://user:word@host:1/k3y?latency=9&{name}=a%20b&mode=caller#x")
    assert url == "srt://host:1?latency=9&mode=caller"
    assert [value for _, value in secrets] == ["a b"]


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(OptionError, match="empty"):
        srt.secrets_of(parse_target("srt://host:1?passphrase="))
