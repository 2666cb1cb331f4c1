"""The reaper, in a process that inherits orphans as the first process of a container does."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import ctypes, multiprocessing, os, subprocess, sys, time
from pathlib import Path
from sr4k.pipeline.starting import start_process
from sr4k.service import reaper as orphans

assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
orphans._EVERY = 0.1

def zombies():
    return list(orphans._zombies())

def until(true):
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline, zombies()
        time.sleep(0.05)

# A shell that leaves a child behind in a session of its own, and one in its own session.
LEAVES = "setsid sleep 0.2 & sleep 0.2 &"

def nothing():
    pass

if __name__ == "__main__":
    subprocess.run(["sh", "-c", LEAVES], check=True)
    until(lambda: len(zombies()) == 2)
    with orphans.orphans_reaped():
        until(lambda: not zombies())
        subprocess.run(["sh", "-c", LEAVES], check=True)
        time.sleep(0.4)
        until(lambda: not zombies())
        mine = subprocess.Popen(["sh", "-c", "exit 3"])
        assert mine.wait(60) == 3
        late = start_process("late", os._exit, 3)
        process = multiprocessing.get_context("spawn").Process(target=nothing)
        process.start()
        time.sleep(1.0)
        process.join(240)
        assert process.exitcode == 0, process.exitcode
        until(lambda: zombies() == [late.pid])
        time.sleep(0.4)
        assert late.wait(60) == 3
    print("reaped")
"""


def test_orphans_are_reaped_and_own_children_keep_their_exit_codes(tmp_path: object) -> None:
    path = f"{tmp_path}/main.py"
    with open(path, "w") as file:  # noqa: PTH123 - spawned processes import it
        file.write(SCRIPT)
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=240, check=False)
    assert (ran.returncode, ran.stdout) == (0, "reaped\n"), ran.stderr
