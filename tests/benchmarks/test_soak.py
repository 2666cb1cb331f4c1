"""Half a minute of random faults in a live channel, one soon after the other, and its state afterwards."""

from collections.abc import Callable
from typing import Any

import pytest
import soak

from rig.fair_time import Stopwatch
from rig.servers import NginxRtmp

MINUTES = 0.6

pytestmark = pytest.mark.slow(seconds=50)


@pytest.fixture(scope="module")
def run(server: Callable[[type], Any]) -> tuple[soak.Report, Stopwatch]:
    """The report of a run, and a clock that began with it."""
    server(NginxRtmp)  # or skip
    watch = Stopwatch()
    return soak.run(MINUTES, seed=0, calm=(2, 4), options=("--engine", "nearest")), watch


@pytest.fixture(scope="module")
def report(run: tuple[soak.Report, Stopwatch]) -> soak.Report:
    return run[0]


@pytest.fixture(scope="module")
def watch(run: tuple[soak.Report, Stopwatch]) -> Stopwatch:
    return run[1]


def test_after_faults_at_random_the_output_is_one_stream_in_step(report: soak.Report, watch: Stopwatch) -> None:
    assert sum(report.faults.values()) >= 3
    assert report.connects["source"] > 1
    assert report.recording["backwards"] == 0
    assert report.recording["longest_gap"] < watch.stretched(0.7)
    assert report.recording["sizes"] == [(640, 360)]
    assert report.recording["flashes_with_a_beep"] > 10 * MINUTES / watch.slowdown
    assert report.recording["offset_worst"] <= 0.04
    shown = report.frames - report.repeated
    assert shown > 0.4 * report.frames / watch.slowdown, "what stands in for pictures is to give way to them again"


def test_a_soaked_channel_is_seen_well_keeps_its_processes_and_ends_at_once(report: soak.Report) -> None:
    assert report.viewed > 100 * MINUTES
    assert report.viewed_backwards == 0
    assert report.restarts == 0
    assert report.exit_code == 0
    assert report.drained_in < 5


def test_a_soaked_channel_does_not_grow(report: soak.Report) -> None:
    assert report.memory_last < 1.25 * report.memory_first
