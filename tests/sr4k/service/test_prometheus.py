import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from toy_statuses import SECRETS, statuses, target

from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.prometheus import METRICS, registry_of

Key = tuple[str, frozenset[tuple[str, str]]]


def scraped(*channels: ChannelMonitor) -> dict[Key, float]:
    """Return every sample by its name and labels."""
    found: dict[Key, float] = {}
    for family in text_string_to_metric_families(generate_latest(registry_of(channels)).decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{sample} twice: Prometheus refuses that"
            found[key] = sample.value
    return found


Run = Callable[..., ChannelMonitor]


@pytest.fixture
def running() -> Iterator[Run]:
    """A function that makes channels whose graphs run."""
    with ExitStack() as stack:

        def make(name: str = "news", **changes: Any) -> ChannelMonitor:
            monitor = ChannelMonitor(name)
            stack.enter_context(monitor.running())
            monitor.update(statuses(**changes))
            return monitor

        yield make


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("up", {}, 1),
        ("ready", {}, 1),
        ("restarts_total", {}, 0),
        ("in_state", {"state": "live"}, 1),
        ("in_state", {"state": "away"}, 0),
        ("in_connects_total", {}, 3),
        ("in_losses_total", {}, 2),
        ("in_clock_restarts_total", {}, 1),
        ("in_frames_total", {}, 100),
        ("in_bytes_total", {}, 9000),
        ("in_decode_errors_total", {}, 1),
        ("in_age_seconds", {}, 0.03),
        ("dropped_frames_total", {"cause": "late"}, 4),
        ("dropped_frames_total", {"cause": "ladder"}, 5),
        ("dropped_frames_total", {"cause": "clock"}, 6),
        ("dropped_frames_total", {"cause": "backlog"}, 11),
        ("dropped_frames_total", {"cause": "full"}, 12),
        ("ladder_rung", {}, 2),
        ("ladder_steps_total", {}, 8),
        ("ladder_info", {"rung": "every 4th picture through the network"}, 1),
        ("engine_info", {"engine": "openvino", "model": "luma", "precision": "int8", "device": "CPU"}, 1),
        ("computed_ratio", {}, 0.5),
        ("queue_frames", {"worker": "upscale"}, 3),
        ("stage_busy_seconds_total", {"stage": "infer"}, 2.5),
        ("stage_frames_total", {"stage": "infer"}, 80),
        ("worker_cpu_seconds_total", {"worker": "playout"}, 2.5),
        ("latency_seconds_bucket", {"le": "0.1"}, 2),
        ("latency_seconds_bucket", {"le": "+Inf"}, 4),
        ("latency_seconds_count", {}, 4),
        ("latency_seconds_sum", {}, 6.2),
        ("out_frames_total", {}, 90),
        ("out_repeated_frames_total", {}, 13),
        ("out_silence_seconds_total", {}, 1.5),
        ("out_keyframes_total", {}, 4),
        ("out_timeline_seconds_total", {}, 3.6),
        ("av_offset_seconds", {}, -0.012),
        ("target_state", {"number": "1", "target": "rtmp://out.example/app/***", "state": "live"}, 1),
        ("target_connects_total", {"number": "1", "target": "rtmp://out.example/app/***"}, 2),
        ("target_bytes_total", {"number": "2", "target": "rtmp://out.example/app/***"}, 1),
        ("target_dropped_packets_total", {"number": "1", "target": "rtmp://out.example/app/***"}, 7),
        ("target_queue_seconds", {"number": "1", "target": "rtmp://out.example/app/***"}, 0.25),
    ],
)
def test_what_a_channel_reports_is_a_metric(name: str, labels: dict[str, str], value: float, running: Run) -> None:
    samples = scraped(running())
    assert samples[f"sr4k_{name}", frozenset({"channel": "news", **labels}.items())] == value


SUFFIXES = re.compile("_(total|bucket|sum|count)$")


def names_of(samples: dict[Key, float], channel: str) -> set[str]:
    return {SUFFIXES.sub("", name) for name, labels in samples if ("channel", channel) in labels}


def test_every_metric_has_samples_of_every_channel(running: Run) -> None:
    first, second = running("one"), running("two")
    for monitor in (first, second):
        monitor.update(statuses(intake={"state": "away", "reason": "nothing came for 5 s"}))
    samples = scraped(first, second)
    for channel in ("one", "two"):
        assert names_of(samples, channel) == {f"sr4k_{metric.name}" for metric in METRICS}


def test_a_channel_that_has_not_begun_has_its_series_at_nought() -> None:
    samples = scraped(ChannelMonitor("news", ["rtmp://out.example/app/***"]))
    labels_of_target = {"channel": "news", "number": "1", "target": "rtmp://out.example/app/***"}
    for name, labels in (
        ("up", {"channel": "news"}),
        ("in_frames_total", {"channel": "news"}),
        ("out_frames_total", {"channel": "news"}),
        ("dropped_frames_total", {"channel": "news", "cause": "late"}),
        ("latency_seconds_count", {"channel": "news"}),
        ("target_bytes_total", labels_of_target),
        ("target_state", {**labels_of_target, "state": "live"}),
    ):
        assert samples[f"sr4k_{name}", frozenset(labels.items())] == 0, name


def test_series_stay_while_a_channel_is_between_two_runs() -> None:
    monitor = ChannelMonitor("news", ["rtmp://out.example/app/***"] * 2)
    with monitor.running():
        monitor.update(statuses())
        before = scraped(monitor)
    between = scraped(monitor)
    with monitor.running():
        begun = scraped(monitor)
        monitor.update({})
        told_nothing = scraped(monitor)
    live = frozenset({("channel", "news"), ("state", "live")})
    assert set(before) <= set(between)
    assert set(before) <= set(begun)
    assert set(before) <= set(told_nothing)
    assert between["sr4k_in_frames_total", frozenset({("channel", "news")})] == 100
    assert (before["sr4k_in_state", live], between["sr4k_in_state", live]) == (1, 0)
    assert math.isnan(between["sr4k_ladder_rung", frozenset({("channel", "news")})])
    rung = "sr4k_ladder_info", frozenset({("channel", "news"), ("rung", "every 4th picture through the network")})
    assert (before[rung], between[rung], begun[rung], told_nothing[rung]) == (1, 0, 0, 0)


def test_what_is_not_known_yet_is_no_number(running: Run) -> None:
    monitor = running(playout={"av_offset_ms": None, "targets": [target(queue_seconds=None)]})
    samples = scraped(monitor)
    assert math.isnan(samples["sr4k_av_offset_seconds", frozenset({("channel", "news")})])


def test_what_failed_is_told_by_its_kind_and_when(running: Run) -> None:
    monitor = running(intake={"state": "away", "reason": "nothing came for 5 s"})
    monitor.failed("the playout process (stages: playout) was killed by SIGKILL")
    found = {
        (labels["part"], labels["kind"]): value
        for name, labels, value in ((name, dict(labels), value) for (name, labels), value in scraped(monitor).items())
        if name == "sr4k_last_failure_timestamp_seconds"
    }
    assert set(found) == {("source", "timeout"), ("channel", "crashed")}
    assert all(abs(time.time() - value) < 60 for value in found.values())


def test_when_pictures_came_and_went_last_is_told(running: Run) -> None:
    monitor = running()
    for side in ("in", "out"):
        value = scraped(monitor)[f"sr4k_{side}_last_frame_timestamp_seconds", frozenset({("channel", "news")})]
        assert abs(time.time() - value) < 60


def test_the_version_is_told() -> None:
    assert scraped()["sr4k_build_info", frozenset({("version", version("sr4k-stream"))})] == 1


def test_one_metric_can_be_asked_for_by_its_name(running: Run) -> None:
    registry = registry_of([running()])
    text = generate_latest(registry.restricted_registry(["sr4k_up", "process_cpu_seconds_total"])).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert {line.split("{")[0].split()[0] for line in lines} == {"process_cpu_seconds_total", "sr4k_up"}


def test_no_metric_shows_a_secret(running: Run) -> None:
    text = generate_latest(registry_of([running()])).decode()
    assert not [secret for secret in SECRETS if secret in text]


def test_names_and_help_follow_the_conventions() -> None:
    """The conventions are those of Prometheus' own linter, and some that it doesn't know."""
    for metric in METRICS:
        assert re.fullmatch("[a-z][a-z0-9_]*", metric.name)
        assert metric.help.endswith("."), metric.name
        assert not re.search("_(total|bucket|sum|count|gauge|counter|histogram)$", metric.name), metric.name
        assert not re.search("(^|_)(fps|ms|milliseconds|minutes|kbytes|mb|percent|dropped)(_|$)", metric.name) or (
            metric.name == "dropped_frames" or metric.name == "target_dropped_packets"
        )
        assert not {"le", "quantile", "job", "instance"} & set(metric.labels)


def test_both_formats_of_prometheus_are_read_by_its_own_parsers(running: Run) -> None:
    registry = registry_of([running("one"), ChannelMonitor("two", ["out.mkv"])])
    plain = {family.name for family in text_string_to_metric_families(generate_latest(registry).decode())}
    new = {
        family.name for family in openmetrics.text_string_to_metric_families(generate_openmetrics(registry).decode())
    }
    assert {f"sr4k_{metric.name}" for metric in METRICS} <= plain & new | {"sr4k_last_failure_timestamp_seconds"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus")
def test_promtool_finds_nothing_to_mend(running: Run) -> None:
    monitor = running(intake={"state": "away", "reason": "nothing came for 5 s"})
    text = generate_latest(registry_of([monitor])).decode()
    ran = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
