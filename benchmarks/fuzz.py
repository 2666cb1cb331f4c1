"""Feed thousands of damaged files to the command line: none may hang it, kill it, or leave anything behind.

    python benchmarks/fuzz.py --files 1000 --seed 0 --json fuzz.json

Clips in eight containers, with video, audio and subtitles, get bytes flipped, ranges zeroed, blocks swapped, pieces of
other files spliced in, and ends cut off. Most run through the code of the command line in one long-lived process, with
workers as threads, which saves start-up time. Every 25th runs through the command itself, with workers as processes,
and so does each file that kills the long-lived process: a file may crash a worker, but not the command.
"""

import argparse
import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import av
import numpy as np

from rig import shared_memory
from rig.seeds import write_seeds

Dice = np.random.Generator

_LIMIT = 60.0
"""Timeout per file in seconds: hundreds of times what it needs."""

_OWN_PROCESS_EVERY = 25
"""One of this many files runs through a command of its own."""

_TARGETS = (".mp4", ".mkv", ".mov", ".ts")

_OPTIONS = ("--engine", "nearest", "--preset", "ultrafast", "--quiet")

_FINE = {0: "clean", 9: "with losses", 3: "refused"}
"""Exit codes that are right for a damaged file; `_KILLED` is right only where a worker was killed."""

_KILLED = 6


@dataclass
class Report:
    """Result of a run. ``faults``: forbidden outcomes, each with the name of its file."""

    files: int = 0
    seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)
    containers: dict[str, int] = field(default_factory=dict)
    own_processes: int = 0
    worker_crashes: list[str] = field(default_factory=list)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ending:
    """How the command ended.

    Attributes:
        code: Exit code; ``None`` if it hung, negative if a signal killed it.
        printed: Its stderr.
        left: What it left open or running; empty if nothing.
        seconds: How long it took.
    """

    code: int | None
    printed: str
    left: str
    seconds: float


def mutated(data: bytes, other: bytes, dice: Dice) -> bytes:
    """Return ``data`` with one to three random kinds of damage, most of them small; pieces come from ``other``."""
    made = bytearray(data)
    for _ in range(int(dice.integers(1, 4))):
        _DAMAGE[int(dice.integers(len(_DAMAGE)))](made, other, dice)
    return bytes(made)


def _flip(data: bytearray, _other: bytes, dice: Dice) -> None:
    for at in dice.integers(0, max(1, len(data)), int(2 ** dice.uniform(0, 7))):
        if at < len(data):
            data[at] ^= int(dice.integers(1, 256))


def _flip_in_the_head(data: bytearray, _other: bytes, dice: Dice) -> None:
    for at in dice.integers(0, min(2048, max(1, len(data))), int(2 ** dice.uniform(0, 4))):
        if at < len(data):
            data[at] = int(dice.choice([0, 1, 0x7F, 0x80, 0xFF, int(dice.integers(256))]))


def _cut(data: bytearray, _other: bytes, dice: Dice) -> None:
    del data[int(dice.integers(0, len(data) + 1)) :]


def _zero(data: bytearray, _other: bytes, dice: Dice) -> None:
    start, end = _range(data, dice)
    data[start:end] = bytes(end - start)


def _swap(data: bytearray, _other: bytes, dice: Dice) -> None:
    size = int(dice.integers(1, max(2, len(data) // 4)))
    a, b = (int(at) for at in sorted(dice.integers(0, max(1, len(data) - size + 1), 2)))
    if b - a >= size:
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def _splice(data: bytearray, other: bytes, dice: Dice) -> None:
    start, end = _range(other, dice)
    at = int(dice.integers(0, len(data) + 1))
    data[at : at + int(dice.choice([0, end - start]))] = other[start:end]


def _range(data: bytes | bytearray, dice: Dice) -> tuple[int, int]:
    start = int(dice.integers(0, len(data) + 1))
    return start, min(len(data), start + int(2 ** dice.uniform(0, 12)))


_DAMAGE: tuple[Callable[[bytearray, bytes, Dice], None], ...] = (
    _flip, _flip, _flip_in_the_head, _cut, _zero, _swap, _splice,
)  # fmt: skip


class LongLived:
    """A process that runs the command line's code for one file after another; it is replaced when it dies."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def __call__(self, source: Path, target: Path) -> Ending:
        process = self._process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        began = time.monotonic()
        process.stdin.write(json.dumps([str(source), str(target)]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], _LIMIT)
        answer = process.stdout.readline() if ready else ""
        seconds = time.monotonic() - began
        if answer:
            return Ending(*json.loads(answer), seconds)
        if not ready:
            process.send_signal(signal.SIGABRT)  # faulthandler logs where it hangs
        self.close()
        return Ending(process.returncode if ready else None, "", "", seconds)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()
            self._process = None

    def _start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-X", "faulthandler", __file__, "--answer"]
        with self._log.open("a") as log:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)


def answer() -> None:
    """Run the files that stdin names; answer each with exit code, stderr and what is left open, as JSON."""
    from typer.main import get_command

    from sr4k.cli.stream_app import stream_app

    command = get_command(stream_app)
    for line in sys.stdin:
        printed = StringIO()
        with redirect_stderr(printed):
            try:
                code = command([*json.loads(line), *_OPTIONS, "--workers", "threads"], standalone_mode=False) or 0
            except SystemExit as end:
                code = end.code
        gc.collect()  # tracebacks of errors keep files open
        left = [name for name in _open_files() if "memfd" in name or ".part." in name]
        print(json.dumps([code, printed.getvalue(), ", ".join(left)]), flush=True)


def _open_files() -> Iterator[str]:
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            yield str(path.readlink())


def in_own_process(source: Path, target: Path) -> Ending:
    """Run the command as a user does, with workers as processes."""
    began = time.monotonic()
    command = [Path(sys.executable).parent / "sr4k-stream", source, target, *_OPTIONS]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        code, printed = None, process.communicate(timeout=_LIMIT)[1]
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed = process.communicate()[1]
    seconds = time.monotonic() - began
    deadline = time.monotonic() + 5
    while (left := _session(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return Ending(code, printed, f"processes {left}" if left else "", seconds)


def _session(number: int) -> list[int]:
    """Return the ids of the living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == number and state != "Z":
                found.append(int(stat.parent.name))
    return found


def faults(ending: Ending, folder: Path, source: Path, target: Path) -> Iterator[str]:
    """Yield the forbidden outcomes of one file, in words."""
    if ending.code is None:
        yield f"hangs: not done in {_LIMIT:.0f} s"
    elif ending.code < 0:
        yield f"killed by {signal.Signals(-ending.code).name}"
    elif ending.code not in _FINE:
        yield f"exit code {ending.code}: {ending.printed.strip()}"
    if "Traceback" in ending.printed:
        yield f"traceback: {ending.printed.strip().splitlines()[-1]}"
    if ending.code == 3 and len(ending.printed.strip().splitlines()) < 1:
        yield "refused without an error message"
    if ending.left:
        yield f"left: {ending.left}"
    if ending.code in (0, 9) and not _plays(target):
        yield f"exit code {ending.code}, but the result can't be played"
    wanted = {source.name, target.name} if ending.code in (0, 9) else {source.name}
    if others := {path.name for path in folder.iterdir()} - wanted:
        yield f"left: {', '.join(sorted(others))}"


def _plays(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, OSError, IndexError):
        return False


def fuzz(files: int, seed: int, keep: Path, *, own_process_every: int = _OWN_PROCESS_EVERY) -> Report:
    """Run ``files`` damaged files. Those with forbidden outcomes are copied to ``keep``."""
    report, outcomes, containers, began = Report(), Counter[str](), Counter[str](), time.monotonic()
    keep.mkdir(parents=True, exist_ok=True)
    shared = shared_memory.names()
    with temporary_files_in_one_place() as scratch, tempfile.TemporaryDirectory(dir="/var/tmp") as seeds:
        paths = write_seeds(Path(seeds))
        clips = [path.read_bytes() for path in paths]
        long_lived = LongLived(keep / "log.txt")
        for number in range(files):
            dice = np.random.default_rng([seed, number])
            which, other = number % len(clips), int(dice.integers(len(clips)))
            with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
                source = Path(folder) / f"in{paths[which].suffix}"
                source.write_bytes(mutated(clips[which], clips[other], dice))
                target = Path(folder) / f"out{_TARGETS[int(dice.integers(len(_TARGETS)))]}"
                own = number % own_process_every == own_process_every - 1
                ending = (in_own_process if own else long_lived)(source, target)
                name = f"{seed}-{number:05d}-{target.suffix[1:]}{source.suffix}"
                if ending.code is not None and ending.code < 0 and not own:  # what would a user see?
                    for path in Path(folder).iterdir():
                        if path != source:
                            path.unlink()
                    ending, own = in_own_process(source, target), True
                    report.worker_crashes.append(name)
                wrong = [] if ending.code == _KILLED and name in report.worker_crashes and not ending.left else [
                    *faults(ending, Path(folder), source, target)
                ]  # fmt: skip
                if wrong or name in report.worker_crashes:
                    (keep / name).write_bytes(source.read_bytes())
                report.faults += [f"{name}: {words}" for words in wrong]
                report.own_processes += own
                report.slowest = max(report.slowest, ending.seconds)
                outcomes[_FINE.get(ending.code, f"exit code {ending.code}") if ending.code is not None else "hung"] += 1
                containers[source.suffix[1:]] += 1
        long_lived.close()
        report.faults += [f"left in the folder of temporary files: {path.name}" for path in scratch.iterdir()]
    report.faults += [f"left in /dev/shm: {path.name}" for path in shared_memory.left_behind(shared)]
    report.files, report.seconds = files, time.monotonic() - began
    report.outcomes, report.containers = dict(outcomes), dict(containers)
    return report


@contextmanager
def temporary_files_in_one_place() -> Iterator[Path]:
    """Make a folder the TMPDIR of all processes that are started in the block; yield its path."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        os.environ["TMPDIR"] = scratch
        try:
            yield Path(scratch)
        finally:
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


def main() -> None:
    """Run the command line; exit with 1 if there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="folder for files that expose faults")
    parser.add_argument("--json", type=Path, help="where to write the report")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        answer()
        return
    report: dict[str, Any] = asdict(fuzz(options.files, options.seed, options.keep))
    text = json.dumps(report, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)
    sys.exit(bool(report["faults"]))


if __name__ == "__main__":
    main()
