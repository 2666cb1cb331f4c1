from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from toy_statuses import SECRETS, outlet, statuses

from sr4k.live_status import ChannelMonitor
from sr4k.metrics import METRICS, registry_of

Key = tuple[str, frozenset[tuple[str, str]]]


def scraped(*channels: ChannelMonitor) -> dict[Key, float]:
    """Every sample, by its name and labels."""
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
    """Makes channels whose graphs run."""
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
        ("in_fps", {}, 24.5),
        ("in_bytes_total", {}, 9000),
        ("in_damaged_total", {}, 1),
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
        ("latency_seconds", {"quantile": "0.5"}, 0.1),
        ("latency_seconds", {"quantile": "0.95"}, 0.2),
        ("out_frames_total", {}, 90),
        ("out_repeated_frames_total", {}, 13),
        ("out_silence_seconds_total", {}, 1.5),
        ("out_keyframes_total", {}, 4),
        ("out_timeline_seconds_total", {}, 3.6),
        ("av_offset_seconds", {}, -0.012),
        ("target_state", {"outlet": "1", "target": "rtmp://out.example/app/***", "state": "live"}, 1),
        ("target_connects_total", {"outlet": "1", "target": "rtmp://out.example/app/***"}, 2),
        ("target_bytes_total", {"outlet": "2", "target": "rtmp://out.example/app/***"}, 1),
        ("target_dropped_total", {"outlet": "1", "target": "rtmp://out.example/app/***"}, 7),
        ("target_queue_seconds", {"outlet": "1", "target": "rtmp://out.example/app/***"}, 0.25),
    ],
)
def test_what_a_channel_reports_is_a_metric(name: str, labels: dict[str, str], value: float, running: Run) -> None:
    samples = scraped(running())
    assert samples[f"sr4k_{name}", frozenset({"channel": "news", **labels}.items())] == value


def test_every_metric_has_samples_of_every_channel(running: Run) -> None:
    first, second = running("one"), running("two")
    for monitor in (first, second):
        monitor.update(statuses())  # rates need two
    samples = scraped(first, second)
    for channel in ("one", "two"):
        names = {name.removesuffix("_total") for name, labels in samples if ("channel", channel) in labels}
        assert names == {f"sr4k_{metric.name}" for metric in METRICS}


def test_a_channel_that_has_not_begun_has_metrics_of_its_own_alone() -> None:
    samples = scraped(ChannelMonitor("news"))
    assert samples["sr4k_up", frozenset({("channel", "news")})] == 0
    assert not [name for name, _ in samples if name.startswith("sr4k_in_frames")]


def test_what_is_not_known_yet_is_left_out(running: Run) -> None:
    monitor = running(playout={"latency": None, "av_offset_ms": None, "outlets": [outlet(queue_seconds=None)]})
    names = {name for name, _ in scraped(monitor)}
    assert not {"sr4k_latency_seconds", "sr4k_av_offset_seconds", "sr4k_target_queue_seconds"} & names


def test_no_metric_shows_a_secret(running: Run) -> None:
    text = generate_latest(registry_of([running()])).decode()
    assert not [secret for secret in SECRETS if secret in text]


def test_names_and_help_follow_the_conventions() -> None:
    for metric in METRICS:
        assert metric.help.endswith("."), metric.name
        assert not metric.name.endswith("_total"), "added to counters by itself"
