"""A test that kills its process ends the run, which names it, though files of tests are still to come."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

CRASHES = """
import os, signal

def test_before():
    pass

def test_that_crashes():
    os.kill(os.getpid(), signal.SIGSEGV)

def test_behind():
    pass
"""
PASSES = """
def test_one():
    pass

def test_another():
    pass
"""


def test_a_crash_ends_the_run_and_is_told(tmp_path: Path) -> None:
    """By default pytest-xdist 3.8 starts a new process and may give it none of the tests that are left, for ever."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {project['tool']['pytest']['ini_options']['addopts']}\n")
    (tmp_path / "test_a.py").write_text(CRASHES)
    for name in "bcdefg":
        (tmp_path / f"test_{name}.py").write_text(PASSES)
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider", "-p", "no:faulthandler"],
        cwd=tmp_path,
        env=outer,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "crashed while running 'test_a.py::test_that_crashes'" in done.stdout
    assert "worker restarting disabled" in done.stdout
