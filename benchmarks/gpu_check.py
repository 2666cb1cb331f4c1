"""Check on an NVIDIA GPU that this package computes the right thing, and how fast, in three calls ordered by worth.

    python benchmarks/gpu_check.py A --out RESULTS [--carry .carry] [--state FOLDER]
    python benchmarks/gpu_check.py B ...
    python benchmarks/gpu_check.py C ... [PART ...]

docs/gpu.md has the commands for a machine that reaches no network, what each call measures, and what is expected of it.

Every row is written to RESULTS/facts.jsonl and synced before the next begins, and a table of all is printed at the end.
Rows are measured in a process of their own: one that fails costs its row, one that crashes, hangs or breaks the GPU's
context costs its row and a new process. No row is begun that could not end in time; those left out are named.
With TRITON_INTERPRET=1 all runs on the CPU at a tiny size: a rehearsal, without a GPU.
"""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gpu_facts import KILLED, NAME, Fact, Facts, as_table, is_measured, read_facts
from gpu_plan import CALLS, PARTS, REHEARSAL, Setting, steps_of

TRACES = "traces.txt"
_START_UP = 90.0
"""Seconds for a new process to import its libraries."""

_GRACE = 5.0
"""Seconds beyond the call's end after which a row that is still running is killed."""

_DYING = 10.0
"""Seconds for a process to end, of itself or killed; one that waits for the driver may not, and is left behind."""

_BROKEN = 3
"""Exit code of a process after which the GPU needs a new one."""

_CACHES = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
"""Folders in the state folder for what is compiled, as the home folder may be closed to writing."""

_SIZE = "8x4" if REHEARSAL else "1920x1080"
_PATIENCE = 10 if REHEARSAL else 1
"""Factor of all time limits."""


def main() -> None:
    """Measure one call, or with ``--rows`` be the process that does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("call", choices=CALLS, help="which call of the plan")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--carry", type=Path, default=Path(".carry"), help="folder that gpu_pack.sh made")
    parser.add_argument("--state", type=Path, help="folder for the facts of all calls, which C reads")
    parser.add_argument("--size", default=_SIZE, help="of the input; default: %(default)s")
    parser.add_argument("--seconds", type=float, help="how long the call may take")
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := [name for name in args.parts if name not in PARTS]:
        parser.error(f"there is no part '{unknown[0]}': use {', '.join(PARTS)}.")
    width, height = map(int, args.size.split("x"))
    until = time.monotonic() + (args.seconds or _PATIENCE * CALLS[args.call].seconds)
    setting = Setting((width, height), args.carry.resolve(), args.out.resolve(), until)
    if args.rows:
        measure_rows(json.loads(args.rows), setting)
        os._exit(0)  # the libraries' own ends can take long, or hang
    for folder in filter(None, (args.out, args.state)):
        folder.mkdir(parents=True, exist_ok=True)
    if args.state:
        for variable in _CACHES:
            os.environ.setdefault(variable, str(args.state.resolve() / variable.lower()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was told to end"))
    earlier = read_facts(args.state / NAME) if args.state else []
    facts = Facts([folder for folder in (args.out, args.state) if folder], args.call)
    todo = what_is_left(earlier) if args.call == "C" and not args.parts else None
    try:
        supervise(todo or [Todo(part) for part in args.parts or CALLS[args.call].parts], setting, facts)
    finally:  # the table comes whatever happens
        table = as_table(merged(earlier, facts.all) if args.call == "C" else facts.all)
        (args.out / f"table-{args.call}.md").write_text(table)
        print(table, flush=True)


def what_is_left(facts: Sequence[Fact]) -> list["Todo"]:
    """Return all parts, with their rows that have a right measurement as done. Those where a row hung come last."""
    parts = {part: Todo(part) for part in CALLS["C"].parts}
    hung = {fact["part"] for fact in facts if KILLED in fact.get("error", "")}
    for fact in facts:
        if is_measured(fact) and fact["part"] in parts:
            parts[fact["part"]].done.append(fact["what"])
    return sorted(parts.values(), key=lambda one: one.part in hung)


def merged(earlier: Sequence[Fact], now: Sequence[Fact]) -> list[Fact]:
    """Return the facts of all calls, the last of each row."""
    return list({(fact["part"], fact["what"]): fact for fact in (*earlier, *now)}.values())


@dataclass
class Todo:
    """A part, and the names of its rows that are done or given up."""

    part: str
    done: list[str] = field(default_factory=list)


def supervise(todo: list[Todo], setting: Setting, facts: Facts) -> None:
    """Have all rows of these parts measured, by as many processes as it takes, one after the other."""
    while todo and time.monotonic() < setting.until:
        before = [(one.part, len(one.done)) for one in todo]
        _one_process(todo, setting, facts)
        if before == [(one.part, len(one.done)) for one in todo]:  # not one row was begun
            facts.add(todo[0].part, "all rows", error=f"the process that measures them does not start: see {TRACES}")
            todo.pop(0)
    for one in todo:
        facts.add(one.part, "all rows", left_out="the call's time is over")


def _one_process(todo: list[Todo], setting: Setting, facts: Facts) -> None:
    """Measure rows in one process until it ends or is killed, and leave in ``todo`` the parts that remain."""
    rows = json.dumps([[one.part, one.done] for one in todo])
    left = setting.until - time.monotonic()
    command = [sys.executable, __file__, "A", "--rows", rows, "--out", setting.out, "--carry", setting.carry]
    command += ["--size", "{}x{}".format(*setting.size), "--seconds", str(left)]
    with (setting.out / TRACES).open("a") as traces:
        # A group, not a session of its own: those may outlive the command that is killed with this program.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=traces, text=True, process_group=0
        )
    assert process.stdout is not None
    lines = _Lines(process.stdout)
    begun: dict[str, Any] | None = None
    limit = min(_PATIENCE * _START_UP, left + _GRACE)
    try:
        while (said := lines.next_within(limit)) is not None:
            limit, begun = _PATIENCE * _START_UP, None
            if "begun" in said:
                limit, begun = limit_of(said["seconds"]), said
            elif "ended" in said:
                todo.pop(0)
            else:
                facts.add(todo[0].part, said["fact"].pop("what"), **said["fact"])
                todo[0].done.append(facts.all[-1]["what"])
            limit = min(limit, setting.until + _GRACE - time.monotonic())
        with suppress(subprocess.TimeoutExpired):
            process.wait(_DYING)
        reason = f"its process ended with {process.poll()}: see {TRACES}"
    except TimeoutError:
        reason = f"{KILLED} {limit:.0f} s"
    finally:
        _kill(process)
        lines.close()
    if begun is not None:
        facts.add(todo[0].part, begun["begun"], error=reason)
        todo[0].done.append(begun["begun"])


def limit_of(seconds: float) -> float:
    """Return after how many seconds a row is killed that was to take so many at most."""
    return _PATIENCE * (3 * seconds + 10)


def _kill(process: "subprocess.Popen[str]") -> None:
    """End a process and what it started; the GPU is free afterwards, unless the process waits for the driver."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DYING)


class _Lines:
    """The lines that a process writes, each an object in JSON."""

    def __init__(self, pipe: IO[str]) -> None:
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self._pipe = pipe
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def next_within(self, seconds: float) -> dict[str, Any] | None:
        """Return the next one, or ``None`` at the end, also where a crash left a line incomplete.

        Raises:
            TimeoutError: none has come by then.
        """
        try:
            line = self._arrived.get(timeout=max(0.1, seconds))
        except queue.Empty:
            raise TimeoutError from None
        with suppress(ValueError, TypeError):
            found: dict[str, Any] = json.loads(line)  # type: ignore[arg-type]
            return found
        return None

    def close(self) -> None:
        """Wait until the pipe is closed, but not for a process that can't be killed and holds it."""
        self._reader.join(1.0)

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self._arrived.put(line)
        self._arrived.put(None)


def measure_rows(todo: Sequence[tuple[str, list[str]]], setting: Setting) -> None:
    """Measure the rows of some parts except those that are done, and write each to stdout, closed to libraries."""
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**values: Any) -> None:
        stdout.write(json.dumps(values, default=str) + "\n")
        stdout.flush()

    for part, done in todo:
        try:
            for step in steps_of(part, setting):
                if step.what in done:
                    continue
                left = setting.until - time.monotonic()
                if step.seconds > left:
                    out = f"it takes up to {step.seconds:.0f} s, and {max(0, left):.0f} s are left"
                    say(fact={"what": step.what, "left_out": out})
                    continue
                say(begun=step.what, seconds=step.seconds)
                say(fact={"what": step.what, **_row(step)})
                if not _gpu_works():
                    stdout.close()
                    os._exit(_BROKEN)
        except (Exception, SystemExit) as err:
            traceback.print_exc()
            say(fact={"what": "all rows", "error": _in_short(err)})
        say(ended=part)
    stdout.close()


def _row(step: Any) -> dict[str, Any]:
    began = time.monotonic()
    try:
        row = step.measure()
    except (Exception, SystemExit) as err:  # whatever it is, the others still count
        print(f"== {step.what}", file=sys.stderr)
        traceback.print_exc()
        row = {"error": _in_short(err)}
    if step.predicted_ms is not None:
        row = {"predicted_ms": step.predicted_ms, **row}
    return {**row, "seconds": round(time.monotonic() - began, 1)}


def _in_short(err: BaseException) -> str:
    return f"{type(err).__name__}: {' '.join(str(err).split())[:300]}"


def _gpu_works() -> bool:
    """Return whether this process can still use the GPU: after a fault in a kernel all calls fail."""
    torch = sys.modules.get("torch")
    if torch is None or REHEARSAL or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


if __name__ == "__main__":
    main()
