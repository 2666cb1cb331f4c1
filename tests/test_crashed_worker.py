"""A test that kills its process, or hangs where no signal reaches it, ends the run, though files are still to come."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PASSES = """
def test_before():
    pass

def test_behind():
    pass
"""
CRASHES = """
def test_that_crashes():
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)
"""
HANGS = """
def test_that_hangs():
    import ctypes
    ctypes.PyDLL(None).sleep(1000)  # unlike time.sleep, it keeps the interpreter's lock
"""

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Plugins that nothing needs here would take most of the time."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("test_that_crashes", CRASHES), ("test_that_hangs", HANGS)])
def test_the_run_ends_and_names_the_test(name: str, code: str, tmp_path: Path) -> None:
    """By default pytest-xdist 3.8 starts a new process and may give it none of the tests that are left, for ever."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    options = project["tool"]["pytest"]["ini_options"]
    assert options["timeout"] < options["faulthandler_timeout"] < 900
    taken = {key: options[key] for key in ("addopts", "faulthandler_exit_on_timeout")} | {"faulthandler_timeout": 2}
    (tmp_path / "pytest.ini").write_text("\n".join(["[pytest]", *(f"{key} = {taken[key]}" for key in taken)]))
    before, behind = PASSES.split("\n\n")
    (tmp_path / "test_a.py").write_text(f"{before}\n{code}\n{behind}")
    for letter in "bcdefg":
        (tmp_path / f"test_{letter}.py").write_text(PASSES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n2", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | ALONE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert f"crashed while running 'test_a.py::{name}'" in done.stdout
    assert "worker restarting disabled" in done.stdout
