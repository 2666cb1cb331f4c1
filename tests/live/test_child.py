"""Helper processes import nothing from the current folder, and find the same modules as their parent."""

import pickle
import subprocess
import sys
from pathlib import Path

import bait
import numpy as np

PROGRAM = """
import os
from sr4k.live.child import start_child

readable, writable = os.pipe()
with start_child("mine", writable, fds=(writable,)) as child:
    os.close(writable)
    print(os.read(readable, 99).decode(), child.wait(120))
"""

MINE = """
import os

def main(pipe):
    os.write(pipe, b"told")
"""


def test_a_child_runs_nothing_of_the_current_folder_and_finds_the_users_modules(tmp_path: Path) -> None:
    folder = bait.set_out(tmp_path / "downloads")
    for name, text in (("program.py", PROGRAM), ("mine.py", MINE)):
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        cwd=folder,
        env=bait.environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert bait.ran(folder) == []
    assert (done.stdout, done.stderr) == ("told 0\n", "")


def test_a_process_is_confined_before_it_imports_what_may_start_threads() -> None:
    code = """
import io, json, os, pickle, sys
from sr4k.live import child_main as started
started.confine = lambda programs: print(programs, "numpy" in sys.modules, len(os.listdir("/proc/self/task")))
json.main = lambda settings: None
started.run("json", io.BytesIO(pickle.dumps(["ffmpeg"]) + sys.stdin.buffer.read()))
print("numpy" in sys.modules)
"""
    told = pickle.dumps(np.zeros(1))
    ran = subprocess.run([sys.executable, "-c", code], input=told, capture_output=True, check=True)
    assert ran.stdout.decode().splitlines() == ["['ffmpeg'] False 1", "True"]
