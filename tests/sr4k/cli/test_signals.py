"""Signals end a command at any point, with one line that says so."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clips import MakeClip
from holding import held

from rig.channel import eventually
from rig.fair_time import Stopwatch
from sr4k.cli import signals
from sr4k.cli.signals import Interrupted, counted_signals, interruptible, last_signal

BIN = Path(sys.executable).parent

COMMAND = """
import ctypes, os, sys, time
from sr4k.cli.signals import counted_signals, exit_at_once
exit_at_once()
import typer
from sr4k.cli.one_line_errors import errors_in_one_line

def stuck():
    '''In a library that no signal wakes: a lock that is taken twice.'''
    library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(lock)
    print("stuck", flush=True)
    library.pthread_mutex_lock(lock)

app = typer.Typer(pretty_exceptions_enable=False)

@app.command()
def run():
  with errors_in_one_line(verbose=False):
    print("ready", flush=True)
    {body}

app()
"""


def ended(body: str, *numbers: int) -> tuple[int, str, float]:
    """Exit code, stderr and seconds since the last signal, of a command with this body that gets these signals."""
    command = [sys.executable, "-c", COMMAND.format(body=body)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if "stuck" in body:
            assert process.stdout.readline() == "stuck\n"
        for number in numbers:
            time.sleep(0.2)
            eventually(lambda: not is_pending(process.pid), 60, "the signal before has been handled")
            process.send_signal(number)
        watch = Stopwatch()
        _, told = process.communicate(timeout=240)
    return process.returncode, told, watch.fair


def signals_of(pid: int, which: str) -> int:
    """A set of signals of ``/proc/PID/status``, as bits."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{which}:")]
    return int(line.split()[1], 16)


def is_pending(pid: int) -> bool:
    """Whether a signal is pending: a second one of its kind would be lost."""
    return bool(signals_of(pid, "ShdPnd"))


def ends_at_signals(pid: int) -> bool:
    """Whether our handlers are installed; Python itself has none for SIGTERM."""
    return bool(signals_of(pid, "SigCgt") & 1 << signal.SIGTERM - 1)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_what_a_command_is_at_in_one_line(number: int, code: int) -> None:
    assert ended("time.sleep(60)", number)[:2] == (code, "Stopped.\n")


@pytest.mark.slow(seconds=1)
def test_what_a_command_has_begun_is_tidied_up(tmp_path: Path) -> None:
    body = f"import tempfile\n    with tempfile.TemporaryDirectory(dir='{tmp_path}'):\n        time.sleep(60)"
    assert ended(body, signal.SIGTERM)[:2] == (143, "Stopped.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow(seconds=1)
def test_a_second_signal_ends_even_what_no_signal_wakes() -> None:
    code, told, seconds = ended("stuck()", signal.SIGINT, signal.SIGINT)
    assert (code, told) in ((130, "Stopped at once.\n"), (128 + signal.SIGTERM, "Stopped at once.\n"))
    assert seconds < 5


@pytest.mark.slow(seconds=1)
def test_a_third_one_ends_what_is_to_be_ended_in_order_and_does_not_end() -> None:
    body = "with counted_signals():\n        stuck()"
    code, told, seconds = ended(body, *[signal.SIGTERM] * 3)
    assert (code, told) == (143, "Stopped at once.\n")
    assert seconds < 5


@pytest.mark.slow(seconds=1)
def test_what_a_library_makes_of_the_interruption_is_no_bug() -> None:
    body = "try:\n        time.sleep(60)\n    except BaseException:\n        raise ImportError('half imported')"
    assert ended(body, signal.SIGINT)[:2] == (130, "Stopped.\n")


def test_signals_that_are_ignored_from_the_start_as_by_nohup_stay_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_what_they_were_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(Interrupted), interruptible():
        with counted_signals() as received:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
        assert received == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    assert last_signal() == signal.SIGINT
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(signals, "_PATIENCE", 0.1)
    monkeypatch.setattr(os, "_exit", lambda code: ends.append(code) or time.sleep(1))  # type: ignore[func-returns-value]
    with pytest.raises(Interrupted), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        finally:
            eventually(lambda: ends, 60)
    assert ends == [130]


def test_one_that_comes_in_code_which_can_raise_nothing_is_not_told_there(capfd: pytest.CaptureFixture[str]) -> None:
    @ctypes.CFUNCTYPE(None)
    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    @ctypes.CFUNCTYPE(None)
    def failing() -> None:
        raise ValueError

    told: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda ignored: told.append(ignored.exc_type))
        before = sys.unraisablehook
        with interruptible():
            interrupted()
            failing()
        assert sys.unraisablehook is before
    assert told == [ValueError]
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_first_second_is_one_line(
    seconds: float, times: int, make_clip: MakeClip, tmp_path: Path
) -> None:
    args = [BIN / "sr4k-stream", make_clip("a.mp4", frames=100), tmp_path / "out.mp4", "-q", "--engine", "nearest"]
    with subprocess.Popen(args, stderr=subprocess.PIPE, text=True, start_new_session=True, env=held()) as process:
        eventually(lambda: ends_at_signals(process.pid), 60)
        time.sleep(seconds)
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
            time.sleep(0.05)
        _, told = process.communicate(timeout=240)
    assert process.returncode == 130
    assert len(told.splitlines()) <= 1, told
    assert not (tmp_path / "out.mp4").exists()


def test_a_stuck_library_is_what_it_is_taken_for() -> None:
    """The tests above mean something only if that call is not ended by a signal."""
    library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    assert library.pthread_mutex_lock(lock) == 0
    assert library.pthread_mutex_trylock(lock) != 0
