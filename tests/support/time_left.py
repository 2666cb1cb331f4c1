"""Leaves out slow tests where a machine is too slow to run all tests within SR4K_TESTS_WITHIN seconds.

Tests that aren't marked ``slow`` are never left out. Slow ones are left out while the time left is only what all tests
that are left would take if they were fast, judged by the fast ones that have run. They are skipped, with that reason.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

WITHIN = "SR4K_TESTS_WITHIN"

_TOLD = 100
"""Number of fast tests whose mean duration is taken to be that of the others."""

_BESIDE = 1.5
"""Factor by which tests take longer than their phases: files are imported, and at the end some processes are idle."""

_SHARED = "short_of_time"
"""Key by which the processes that run tests get the path of a file; while it exists, time is short."""


class TimeLeft:
    """How long the tests that are left will take, as the durations of fast ones tell.

    Args:
        seconds: from now until all tests should have run.
        now: present time, in seconds.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self._end = now + seconds
        self._fast = 0
        self._seconds = 0.0

    def took(self, seconds: float, *, over: bool) -> None:
        """Count a phase of a fast test; ``over``: its last one."""
        self._seconds += seconds
        self._fast += over

    def is_short(self, left: int, processes: int, now: float) -> bool:
        """Return whether ``left`` fast tests would take more than the time that is left."""
        mean = _BESIDE * self._seconds / self._fast if self._fast >= _TOLD else 0.0
        return now + left * mean / processes >= self._end


class Watch:
    """What pytest's first process sees: the reports of all tests. While time is short there is a file."""

    def __init__(self, seconds: float, told: Path) -> None:
        self._time = TimeLeft(seconds, time.monotonic())
        self._told = told
        self._processes = 0
        self._left = 0

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_SHARED] = str(self._told)
        self._processes += 1

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._left = len(ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._left = self._left or len(session.items)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        over = report.when == "teardown"
        if "slow" not in report.keywords:
            self._time.took(report.duration, over=over)
        self._left -= over
        if not over:
            return
        if self._time.is_short(self._left, max(self._processes, 1), time.monotonic()):
            self._told.touch()
        else:
            self._told.unlink(missing_ok=True)


class LeavesOut:
    """What each process that runs tests does: it skips slow ones while the file is there."""

    def __init__(self, told: Path) -> None:
        self._told = told

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.get_closest_marker("slow") and self._told.exists():
            pytest.skip(f"too little time is left of {WITHIN}={os.environ[WITHIN]}")


def watch(config: pytest.Config) -> None:
    """Watch the time if SR4K_TESTS_WITHIN says how much there is."""
    if not (seconds := os.environ.get(WITHIN)):
        return
    given = getattr(config, "workerinput", {}).get(_SHARED)
    if given is None:
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        given = Path(folder.name) / _SHARED
        config.pluginmanager.register(Watch(float(seconds), given))
    config.pluginmanager.register(LeavesOut(Path(given)))
