"""A refusal of the system is reported in plain words with its own exit code, not as a bug."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import MakeClip

from sr4k.common.printable import printable
from sr4k.common.system_errors import refusal
from sr4k.errors import MachineError, OptionError, OutputError

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), MachineError, "ulimit -n"),
        (MemoryError(), MachineError, "memory"),
        (RuntimeError("can't start new thread"), MachineError, "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), MachineError, "ulimit -u"),
        (RuntimeError("core.cpp:117: Resource temporarily unavailable"), MachineError, "ulimit -u, or -v"),
        (ImportError("libx.so: failed to map segment from shared object"), MachineError, "memory"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "xxx"), OptionError, "xxx is too long"),
        (OSError(errno.ENOSPC, "No space left on device"), OutputError, "No space left"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), OutputError, "Broken pipe"),
    ],
)
def test_each_refusal_has_words_of_its_own(error: BaseException, kind: type[Exception], words: str) -> None:
    told = refusal(error)
    assert isinstance(told, kind)
    assert words in str(told)


@pytest.mark.parametrize("error", [ValueError("x"), ImportError("No module named 'x'"), FileNotFoundError(2, "x", "y")])
def test_what_may_be_a_bug_stays_one(error: BaseException) -> None:
    assert refusal(error) is None


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.slow
def test_outputs_that_are_closed_or_full_are_no_bug(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", frames=1, audio=False)
    for line, code, words in (
        ("sr4k probe a.mp4 --json | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("sr4k doctor | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("sr4k probe --help | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("sr4k-stream --version | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("sr4k probe a.mp4 > /dev/full", 4, "No space left"),
        ("sr4k-stream --help > /dev/full", 4, "No space left"),
        ("sr4k --version > /dev/full", 4, "No space left"),
        ("sr4k probe a.mp4 >&-", 0, ""),
        ("sr4k probe absent.mp4 2>&-", 3, ""),
        ("sr4k probe a.mp4 0<&- 2>&1 >/dev/null", 0, ""),
    ):
        done = shell(line, tmp_path)
        assert done.returncode == code, (line, done.stderr)
        assert len(done.stderr.splitlines()) == bool(words)
        assert words in done.stderr


@pytest.mark.slow(seconds=1)
def test_limits_are_told_in_one_line(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", frames=1, audio=False)
    done = shell("ulimit -n 16; sr4k-stream a.mp4 out.mp4 -q", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (7, 1), done.stderr
    assert "ulimit -n" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


@pytest.mark.slow(seconds=1)
def test_a_current_folder_that_was_deleted_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("a.mp4", frames=1, audio=False)
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; sr4k-stream {clip} {tmp_path}/out.mp4", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: The current folder has been deleted: change to another one.\n"


@pytest.mark.slow
def test_names_are_plain_text_on_a_terminal(make_clip: MakeClip, tmp_path: Path) -> None:
    name = "red\x1b[31m\nerror: no \u202efile \udcff\x9b2J.mp4"
    make_clip("a.mp4", frames=1, audio=False).rename(tmp_path / name)
    done = subprocess.run(
        [str(BIN / "sr4k"), "probe", name], cwd=tmp_path, capture_output=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode()
    assert told.startswith(r"red\u001b[31m\nerror: no \u202efile \udcff\u009b2J.mp4: mov")
    refused = subprocess.run(
        [str(BIN / "sr4k-stream"), name, "no\x1b[2Jthing.xyz"],
        cwd=tmp_path,
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert refused.returncode == 2
    assert b"\x1b" not in refused.stderr


def test_text_in_any_script_is_left_as_it_is() -> None:
    for text in ("Tür", "фильм", "電影", "فيلم", "🎬", "a b", "می‌خواهم"):
        assert printable(text) == text
    assert printable("a\tb\nc", keep="\n") == "a\\tb\nc"
