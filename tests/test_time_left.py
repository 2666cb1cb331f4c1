"""Where a machine is too slow for all tests within a time that is given, slow ones are left out and all others run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from time_left import WITHIN, TimeLeft

SUPPORT = Path(__file__).parent / "support"

CONFTEST = """
from time_left import watch

def pytest_configure(config):
    config.addinivalue_line("markers", "slow")
    watch(config)
"""
TESTS = """
import pytest

@pytest.mark.slow
def test_first():
    pass

def test_fast():
    pass

@pytest.mark.slow
def test_second():
    pass
"""


def test_time_is_short_once_the_others_would_take_what_is_left() -> None:
    left = TimeLeft(150, now=1000)
    for _ in range(100):
        left.took(0.5, over=False)
        left.took(1.5, over=True)
    assert not left.is_short(99, processes=2, now=1000)  # of 2 seconds each, and half as much beside, two at a time
    assert left.is_short(100, processes=2, now=1000)
    assert not left.is_short(49, processes=2, now=1075)
    assert left.is_short(50, processes=2, now=1075)


def test_before_enough_fast_ones_have_run_only_the_time_itself_counts() -> None:
    left = TimeLeft(100, now=1000)
    left.took(50, over=True)
    assert not left.is_short(1000, processes=1, now=1099)
    assert left.is_short(1000, processes=1, now=1100)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize(("seconds", "left_out"), [("600", False), ("0", True), ("", False)])
def test_slow_tests_are_left_out_if_time_is_short(seconds: str, left_out: bool, processes: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for letter in "ab":
        (tmp_path / f"test_{letter}.py").write_text(TESTS)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    alone |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(SUPPORT), WITHIN: seconds}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "xdist", f"-n{processes}", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=alone,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|skipped)", done.stdout.splitlines()[-1])}
    assert sum(counts.values()) == 6
    assert ("skipped" in counts) is left_out
    assert ("too little time is left of SR4K_TESTS_WITHIN=0" in done.stdout) is left_out
    assert counts["passed"] >= 2  # the fast ones
