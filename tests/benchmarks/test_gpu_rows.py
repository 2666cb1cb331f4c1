"""How rows of a first run on a GPU are measured: each in its turn, whatever becomes of it, and on disk at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import gpu_check
from gpu_facts import Facts, as_table, read_facts
from gpu_plan import PARTS, Setting

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

PARTS_OF_TEST = """
import os, threading, time
from gpu_plan import Step

def rows(setting):
    yield Step("works", 1, lambda: {"ms": 1.0})
    yield Step("raises", 1, lambda: 1 / 0)
    yield Step("ends the program", 1, lambda: (_ for _ in ()).throw(SystemExit("not installed")))
    yield Step("crashes", 1, lambda: os.kill(os.getpid(), 11))
    yield Step("hangs", -3.2, lambda: time.sleep(600))
    yield Step("prints", 1, lambda: print("noise") or {"ms": 2.0})
    yield Step("takes too long", 1000, lambda: {"ms": 3.0})
    raise ValueError("no more rows")

def after(setting):
    yield Step("another part", 1, lambda: {"ms": 4.0})
    yield Step("leaves a thread", 1, lambda: threading.Thread(target=time.sleep, args=(600,)).start() or {"ms": 5.0})

def missing(setting):
    raise SystemExit("This program needs a package that is not installed")

def waits(setting):
    yield Step("about", 1, lambda: {"pid": os.getpid(), "cache": os.environ["TRITON_CACHE_DIR"]})
    yield Step("hangs", 100, lambda: time.sleep(600))
"""


@pytest.fixture
def parts_of_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two parts with rows that fail in all ways, for this process and for those that measure."""
    (tmp_path / "parts_of_test.py").write_text(PARTS_OF_TEST)
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; sys.path.insert(0, r'{}')\nimport gpu_plan\n"
        "gpu_plan.PARTS.update({{part: f'parts_of_test:{{part}}' for part in {!r}}})\n".format(
            str(ROOT / "benchmarks"), ["rows", "missing", "after", "waits"]
        )
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'benchmarks'}")
    monkeypatch.setattr(gpu_check, "_PATIENCE", 1)
    return ["rows", "missing", "after"]


def test_a_row_that_fails_crashes_or_hangs_costs_itself_alone(parts_of_test: list[str], tmp_path: Path) -> None:
    facts = Facts([tmp_path], "A")
    began = time.monotonic()
    setting = Setting((8, 4), tmp_path, tmp_path, began + 60)
    gpu_check.supervise([gpu_check.Todo(part) for part in parts_of_test], setting, facts)
    stored = read_facts(tmp_path / "facts.jsonl")
    found = {fact["what"]: fact for fact in stored if fact["part"] != "missing"}
    assert found["works"]["ms"] == 1.0
    assert found["raises"]["error"] == "ZeroDivisionError: division by zero"
    assert found["ends the program"]["error"] == "SystemExit: not installed"
    assert found["crashes"]["error"].startswith("its process ended with -11")
    assert found["hangs"]["error"].startswith("it was killed after")
    assert found["prints"]["ms"] == 2.0, "what libraries print does not reach the supervisor"
    assert found["takes too long"]["left_out"].startswith("it takes up to 1000 s, and ")
    assert found["all rows"]["error"] == "ValueError: no more rows"
    (missing,) = (fact["error"] for fact in stored if fact["part"] == "missing")
    assert missing.startswith("SystemExit: This program needs a package")
    assert found["another part"]["ms"] == 4.0
    assert found["leaves a thread"]["ms"] == 5.0
    assert "ZeroDivisionError" in (tmp_path / "traces.txt").read_text()
    assert time.monotonic() - began < 60, "no process is waited for longer than it may take"


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the process and its pipe
@pytest.mark.usefixtures("parts_of_test")
def test_a_process_that_cannot_be_killed_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    with monkeypatch.context() as patched:  # as if it waited for the driver
        patched.setattr(os, "killpg", lambda group, _: killed.append(group))
        patched.setattr(gpu_check, "_DYING", 0.1)
        patched.setattr(gpu_check, "limit_of", lambda _: 2.0)
        facts = Facts([tmp_path], "A")
        setting = Setting((8, 4), tmp_path, tmp_path, time.monotonic() + 300)
        monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
        gpu_check.supervise([gpu_check.Todo("waits"), gpu_check.Todo("after")], setting, facts)
    os.killpg(killed[0], signal.SIGKILL)
    found = {fact["what"]: fact for fact in facts.all}
    assert found["hangs"]["error"].startswith("it was killed after")
    assert found["another part"]["ms"] == 4.0


@pytest.mark.usefixtures("parts_of_test")
def test_a_call_that_is_ended_from_outside_ends_its_processes_and_prints_its_table(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "gpu_check.py", "A", "waits", "--out", tmp_path / "out"]
    with subprocess.Popen([*command, "--state", tmp_path / "state"], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        about = json.loads(running.stdout.readline())
        running.terminate()
        assert "## waits" in running.stdout.read()
    assert running.returncode != 0
    assert about["cache"] == str(tmp_path / "state" / "triton_cache_dir"), "the home folder may be closed to writing"
    assert "about" in (tmp_path / "out" / "table-A.md").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(about["pid"], 0)


def test_what_is_left_are_rows_without_a_right_result_and_those_that_hung_come_last() -> None:
    facts = [
        {"part": "warm", "what": "hung", "error": "it was killed after 40 s"},
        {"part": "luma", "what": "right", "ms": 1.0, "right": True},
        {"part": "luma", "what": "wrong", "ms": 1.0, "right": False},
        {"part": "luma", "what": "failed", "error": "RuntimeError: no"},
        {"part": "luma", "what": "late", "left_out": "the call's time is over"},
        {"part": "of an earlier plan", "what": "row", "ms": 1.0},
    ]
    left = gpu_check.what_is_left(facts)
    assert [one.part for one in left] == [part for part in PARTS if part != "warm"] + ["warm"]
    assert {one.part: one.done for one in left if one.done} == {"luma": ["right"]}


def test_when_the_time_is_over_the_parts_that_are_left_are_named(tmp_path: Path) -> None:
    facts = Facts([tmp_path], "B")
    gpu_check.supervise([gpu_check.Todo("video")], Setting((8, 4), tmp_path, tmp_path, 0.0), facts)
    assert [(fact["part"], fact["left_out"]) for fact in facts.all] == [("video", "the call's time is over")]


def test_each_fact_is_synced_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    facts = Facts([tmp_path], "A")
    for row in range(3):
        facts.add("machine", f"row {row}", ms=row / 3)
    assert sizes == sorted(set(sizes)) and len(sizes) == 3
    assert sizes[-1] == (tmp_path / "facts.jsonl").stat().st_size
    assert "| row 2 | 0.6667 |" in as_table(facts.all)
