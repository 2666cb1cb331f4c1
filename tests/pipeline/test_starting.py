"""Processes run nothing of the folder that they are started in, and find what the user's own program has."""

import os
import subprocess
import sys
from pathlib import Path

import bait
import pytest

from sr4k.pipeline.starting import safe_path

PROGRAM = """
from dataclasses import dataclass
from pathlib import Path

import cv2  # which puts an empty entry into LD_LIBRARY_PATH
import mine
from toy_stages import Collecting, Counting
from sr4k.logs import collected_logs
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
        timeout=60,
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
