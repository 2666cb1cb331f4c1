"""Spawned processes run nothing from the current folder, and find the modules of the user's own program."""

import os
import subprocess
import sys
from pathlib import Path

import bait
import pytest
import yaml
from clips import MakeClip

from sr4k import load_preset
from sr4k.pipeline.spawning import safe_path

pytestmark = pytest.mark.slow

PROGRAM = """
from dataclasses import dataclass
from pathlib import Path

import cv2  # which puts an empty entry into LD_LIBRARY_PATH
import mine
from toy_stages import Collecting, Counting
from sr4k.common.logs import collected_logs
from sr4k.pipeline import GraphSpec, StageSpec, WorkerSpec, run_graph
import logging, os, sys

@dataclass(frozen=True)
class Wishes(Counting):
    "Of this very module: a worker must find it as its main one."

if __name__ == "__main__":
    first = WorkerSpec("first", (StageSpec("mine:Counter", Wishes(frames=3)),))
    last = WorkerSpec("last", (StageSpec("toy_stages:Collector", Collecting(Path("numbers.txt"))),))
    with collected_logs(logging.NullHandler(), logging.INFO) as queue:
        outcome = run_graph(GraphSpec((first, last), (2,)), log_queue=queue)
    print(outcome.reports["collector"], "PYTHONSAFEPATH" in os.environ)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of the user's, beside a module of the user's."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "mine.py").write_text("from toy_stages import Counter\n")
    (folder / "program.py").write_text(PROGRAM)
    return folder / "program.py"


def test_workers_run_nothing_of_the_current_folder_and_find_the_users_modules(program: Path, tmp_path: Path) -> None:
    folder = bait.set_out(tmp_path / "downloads")
    support = Path(__file__).parents[1] / "support"
    done = subprocess.run(
        [sys.executable, program],
        cwd=folder,
        env=bait.environment(PYTHONPATH=str(support)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert bait.ran(folder) == []
    assert done.stderr == ""
    assert done.stdout.endswith("False\n")


def test_the_variables_are_as_they_were_when_the_last_one_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib:")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with safe_path():
        with safe_path():
            assert os.environ["LD_LIBRARY_PATH"] == "/opt/lib"
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/lib:"
    assert "PYTHONSAFEPATH" not in os.environ


UNGUARDED = """
from sr4k import Job
Job("in.mp4", "out.mp4", preset="mine.yaml").run()
"""


@pytest.mark.parametrize("piped", [False, True])
def test_a_script_without_a_guard_is_told_what_it_lacks_and_one_through_a_pipe_needs_none(
    piped: bool, make_clip: MakeClip, tmp_path: Path
) -> None:
    make_clip("in.mp4", frames=2)
    nearest = load_preset("file").updated("engine", name="nearest").updated("encode", preset="ultrafast")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(nearest.model_dump(mode="json"), sort_keys=False))
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, "-" if piped else "script.py"],
        cwd=tmp_path, input=UNGUARDED, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (tmp_path / "out.mp4").exists() == piped, done.stderr
    if not piped:
        assert 'under if __name__ == "__main__":' in done.stderr.splitlines()[-1]
        assert "another run" not in done.stderr, "what its workers would say"
