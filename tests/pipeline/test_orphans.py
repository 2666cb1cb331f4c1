"""Workers end with whoever started them, also where Python's own child processes would be refused or left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rig.channel import eventually
from rig.processes import with_variable

pytestmark = pytest.mark.slow

GRAPH = """
import multiprocessing, os, time
from pathlib import Path
from sr4k.pipeline import GraphSpec, StageSpec, WorkerSpec, run_graph
from toy_stages import Collecting, Counting

def run(frames, seen=lambda statuses: Path("running").touch()):
    first = WorkerSpec("first", (StageSpec("toy_stages:Counter", Counting(frames, seconds=0.01)),))
    last = WorkerSpec("last", (StageSpec("toy_stages:Collector", Collecting(Path("numbers.txt"))),))
    run_graph(GraphSpec((first, last), (2,)), on_status=seen)
"""

IN_A_DAEMON = f"""{GRAPH}
def daemonic(frames):  # as the processes of multiprocessing.Pool are
    process = multiprocessing.get_context("fork").Process(target=run, args=(frames,), daemon=True)
    process.start()
    return process

done = daemonic(3)
done.join()
Path("running").unlink()
endless = daemonic(100_000)
while not Path("running").exists():
    time.sleep(0.01)
endless.terminate()  # as a pool does at its end
endless.join()
"""

BESIDE_A_FORK = f"""{GRAPH}
def forking(statuses):
    if not Path("forked").exists() and os.fork() == 0:
        Path("forked").write_text(str(os.getpid()))
        time.sleep(300)

run(100_000, forking)
"""


def alive(mark: Path) -> set[int]:
    """Processes that were started with this mark in their environment, and their children."""
    return {process for process, _ in with_variable(f"MARK={mark}")}


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in alive(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@contextmanager
def command(code: str, mark: Path) -> "Iterator[subprocess.Popen[str]]":
    """Start a program, and kill it in the end: it would run for minutes if a check fails."""
    support = str(Path(__file__).parents[1] / "support")
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=mark,
        env={**os.environ, "PYTHONPATH": support, "MARK": str(mark)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_in_a_daemonic_process_a_graph_runs_as_elsewhere_and_leaves_nothing_when_that_is_ended(mark: Path) -> None:
    with command(IN_A_DAEMON, mark) as process:
        _, said = process.communicate(timeout=240)
    assert (process.returncode, said) == (0, "")
    assert (mark / "numbers.txt").read_text().splitlines() == ["0 0 0", "1 1 1", "2 2 2"]
    eventually(lambda: not alive(mark), 5)


def test_workers_of_a_killed_program_end_though_a_fork_of_it_keeps_their_pipes_open(mark: Path) -> None:
    forked = mark / "forked"
    with command(BESIDE_A_FORK, mark) as process:
        eventually(lambda: forked.exists() and bool(forked.read_text()), 60)
        fork = int(forked.read_text())
        # the program and its fork, what starts the workers, and both of these
        eventually(lambda: len(alive(mark)) == 5, 60)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
        eventually(lambda: alive(mark) == {fork}, 5)
        os.kill(fork, signal.SIGKILL)
