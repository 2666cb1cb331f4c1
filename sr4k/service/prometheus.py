"""Prometheus metrics of the channels, collected at each scrape."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from typing import Any, Literal, TypeVar, get_args

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from sr4k.common.process_tree import resident_bytes
from sr4k.live.channel_reports import IntakeReport, PlayoutReport, SourceState, TargetReport, TargetState
from sr4k.live.histogram import HistogramReport
from sr4k.service.channel_status import ChannelMonitor, ChannelStatus, LiveStatus

_Label = TypeVar("_Label", bound=str)

Samples = Iterable[tuple[tuple[str, ...], Any]]
"""(label values, value) pairs; a value is a number, ``None`` (nothing measured yet) or a `HistogramReport`."""

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of every channel.

    Attributes:
        kind: the metric's type.
        name: without the prefix ``sr4k_``, and without ``_total`` for counters.
        help: the help text.
        read: returns the samples of a channel. Between two runs of its graph, counters keep their last values.
        labels: labels besides ``channel``.
        idle: value of a gauge while the channel's graph does not run; ``None``: the last one.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    read: Callable[[ChannelStatus], Samples]
    labels: tuple[str, ...] = ()
    idle: float | None = None

    def family(self, channels: Sequence[ChannelStatus]) -> Family:
        """Return the metric's samples of all channels, in the client library's form."""
        name, labels = f"sr4k_{self.name}", ("channel", *self.labels)
        if self.kind == "histogram":
            histogram = HistogramMetricFamily(name, self.help, labels=labels)
            for channel in channels:
                for values, report in self.read(channel):
                    histogram.add_metric((channel.name, *values), *_buckets(report))
            return histogram
        family = (CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily)(name, self.help, labels=labels)
        for channel in channels:
            is_idle = channel.graph is None and self.idle is not None
            for values, value in self.read(channel):
                sample = self.idle if is_idle else value
                family.add_metric((channel.name, *values), math.nan if sample is None else sample)
        return family


def registry_of(channels: Sequence[ChannelMonitor]) -> CollectorRegistry:
    """Return a registry with all metrics of the channels, whose list may change, and the usual ones of this process."""
    registry = CollectorRegistry(auto_describe=True)  # so that a scrape can select metrics by name
    ProcessCollector(registry=registry)
    registry.register(_Channels(channels))
    return registry


class _Channels(Collector):
    def __init__(self, channels: Sequence[ChannelMonitor]) -> None:
        self._channels = channels

    def collect(self) -> Iterator[Family]:
        build = GaugeMetricFamily("sr4k_build_info", "1, with the version of sr4k-stream.", labels=("version",))
        build.add_metric((version("sr4k-stream"),), 1)
        yield build
        now = [channel.status for channel in list(self._channels)]
        for metric in METRICS:
            yield metric.family(now)


def _buckets(report: HistogramReport) -> tuple[list[tuple[str, float]], float]:
    """Return cumulative counts by upper bound, and the sum, as `HistogramMetricFamily` expects them."""
    bounds = [*map(str, report.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(report.counts)), strict=True)), report.sum


def _of_channel(read: Callable[[ChannelStatus], float | None]) -> Callable[[ChannelStatus], Samples]:
    return lambda channel: [((), read(channel))]


def _of_graph(read: Callable[[LiveStatus], Samples]) -> Callable[[ChannelStatus], Samples]:
    return lambda channel: read(channel.last)


def _of_intake(read: Callable[[IntakeReport], float | None]) -> Callable[[ChannelStatus], Samples]:
    return _of_graph(lambda graph: [((), read(graph.intake))])


def _of_playout(read: Callable[[PlayoutReport], Any]) -> Callable[[ChannelStatus], Samples]:
    return _of_graph(lambda graph: [((), read(graph.playout))])


def _of_targets(read: Callable[[TargetReport], float | None]) -> Callable[[ChannelStatus], Samples]:
    return _of_graph(lambda graph: [(labels, read(target)) for labels, target in _targets(graph)])


def _targets(graph: LiveStatus) -> Iterator[tuple[tuple[str, str], TargetReport]]:
    """Yield (number, address) and status of each target. Targets that differ in their stream keys look alike."""
    for number, target in enumerate(graph.playout.targets, 1):
        yield (str(number), target.target), target


def _states_in(graph: LiveStatus) -> Samples:
    for state in get_args(SourceState):
        yield (state,), float(state == graph.intake.state)


def _states_out(graph: LiveStatus) -> Samples:
    for labels, target in _targets(graph):
        for state in get_args(TargetState):
            yield (*labels, state), float(state == target.state)


def _failures(channel: ChannelStatus) -> Samples:
    return list(channel.marks.failures.items())


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _memory(channel: ChannelStatus) -> float:
    return 0 if channel.thread is None else resident_bytes(channel.thread)


def _rung(graph: LiveStatus) -> Samples:
    name = graph.intake.rung_name
    yield (name or graph.past_rung,), float(bool(name))


def _engine(graph: LiveStatus) -> Samples:
    if graph.engine is not None:
        about = graph.engine.as_dict()
        yield tuple(str(about.get(key, "")) for key in _ENGINE), 1.0


def _each(values: Mapping[_Label, float]) -> Samples:
    return [((name,), value) for name, value in values.items()]


_ENGINE = ("engine", "model", "precision", "device")
_TARGET = ("number", "target")

METRICS: tuple[Metric, ...] = (
    # The channel as a whole
    Metric(
        "gauge",
        "up",
        "1 while the channel's processes run, 0 between two runs.",
        _of_channel(lambda channel: float(channel.up)),
    ),
    Metric(
        "gauge",
        "ready",
        "1 while pictures arrive and every target is live.",
        _of_channel(lambda channel: float(channel.ready)),
    ),
    Metric(
        "counter",
        "restarts",
        "Restarts of the channel's processes.",
        _of_channel(lambda channel: channel.restarts),
    ),
    Metric(
        "gauge",
        "start_time_seconds",
        "When the channel's processes were last started, as a Unix time; 0: not yet.",
        _of_channel(lambda channel: channel.began),
    ),
    Metric(
        "gauge",
        "last_failure_timestamp_seconds",
        "When a part of the channel (source, target or channel) was last seen to fail in this way, as a Unix time.",
        _failures,
        ("part", "kind"),
    ),
    Metric(
        "gauge",
        "resident_memory_bytes",
        "Resident memory of the channel's processes, without the service's own; shared memory counts in each.",
        _of_channel(_memory),
    ),
    # In
    Metric("gauge", "in_state", "1 for the source's current state.", _of_graph(_states_in), ("state",), 0.0),
    Metric(
        "counter",
        "in_connects",
        "Connections to the source, including the first.",
        _of_intake(lambda intake: intake.connects),
    ),
    Metric("counter", "in_losses", "Losses of the source.", _of_intake(lambda intake: intake.losses)),
    Metric(
        "counter",
        "in_clock_restarts",
        "How often the source's time stamps started again.",
        _of_intake(lambda intake: intake.restarts),
    ),
    Metric("counter", "in_frames", "Pictures received.", _of_intake(lambda intake: intake.frames)),
    Metric(
        "gauge",
        "in_last_frame_timestamp_seconds",
        "When a picture was last received, as a Unix time; 0: not yet.",
        _of_channel(lambda channel: channel.marks.frame_in),
    ),
    Metric("counter", "in_bytes", "Bytes received.", _of_intake(lambda intake: intake.bytes)),
    Metric(
        "counter",
        "in_decode_errors",
        "Packets that could not be decoded, and pictures with concealed errors.",
        _of_intake(lambda intake: intake.damaged),
    ),
    Metric(
        "gauge",
        "in_age_seconds",
        "Age of the last picture when it was passed to the network.",
        _of_intake(lambda intake: _seconds(intake.age_ms)),
        idle=math.nan,
    ),
    Metric(
        "counter",
        "dropped_frames",
        "Pictures not used. late: older than live.freshness; ladder: the machine is too slow for the frame rate; "
        "clock: no place on the output's timeline; backlog: a burst when the source was opened; full: the intake's "
        "ring buffer was full.",
        _of_graph(lambda graph: _each(graph.intake.dropped)),
        ("cause",),
    ),
    # Between
    Metric(
        "gauge",
        "ladder_rung",
        "Rung of the ladder; 0: every picture goes through the network.",
        _of_intake(lambda intake: intake.rung),
        idle=math.nan,
    ),
    Metric("counter", "ladder_steps", "Changes of the ladder's rung.", _of_intake(lambda intake: intake.steps)),
    Metric(
        "gauge",
        "ladder_info",
        "1, with the ladder's rung in words; 0 with that of the run before, until it is known.",
        _of_graph(_rung),
        ("rung",),
        idle=0.0,
    ),
    Metric("gauge", "engine_info", "1, with the engine that runs the network.", _of_graph(_engine), _ENGINE, 0.0),
    Metric(
        "gauge",
        "computed_ratio",
        "Fraction of the tiles that were computed; the others were as in an earlier picture, there or elsewhere.",
        _of_graph(lambda graph: [((), None if graph.engine is None else graph.engine.computed)]),
        idle=math.nan,
    ),
    Metric(
        "gauge",
        "queue_frames",
        "Frames that a worker has sent and the next one has not taken yet.",
        _of_graph(lambda graph: _each(graph.queues)),
        ("worker",),
        0.0,
    ),
    Metric(
        "counter",
        "stage_busy_seconds",
        "Seconds of work of a stage.",
        _of_graph(lambda graph: _each(graph.busy)),
        ("stage",),
    ),
    Metric(
        "counter",
        "stage_frames",
        "Frames that a stage has processed.",
        _of_graph(lambda graph: _each(graph.worked)),
        ("stage",),
    ),
    Metric(
        "counter",
        "worker_cpu_seconds",
        "CPU time of a worker process, without its children.",
        _of_graph(lambda graph: _each(graph.cpu)),
        ("worker",),
    ),
    Metric(
        "histogram",
        "latency_seconds",
        "Time from the reception of a picture until it was encoded.",
        _of_playout(lambda playout: playout.latency_histogram),
    ),
    # Out
    Metric("counter", "out_frames", "Pictures encoded.", _of_playout(lambda playout: playout.frames)),
    Metric(
        "gauge",
        "out_last_frame_timestamp_seconds",
        "When a picture was last encoded, including repeated ones, as a Unix time; 0: not yet.",
        _of_channel(lambda channel: channel.marks.frame_out),
    ),
    Metric(
        "counter",
        "out_repeated_frames",
        "Pictures encoded again, to fill a gap.",
        _of_playout(lambda playout: playout.repeated),
    ),
    Metric(
        "counter",
        "out_silence_seconds",
        "Seconds of silence that filled gaps in the sound.",
        _of_playout(lambda playout: playout.silence_seconds),
    ),
    Metric("counter", "out_keyframes", "Key frames encoded.", _of_playout(lambda playout: playout.keyframes)),
    Metric(
        "counter", "out_timeline_seconds", "Length of the output so far.", _of_playout(lambda playout: playout.seconds)
    ),
    Metric(
        "gauge",
        "av_offset_seconds",
        "Time by which sound is later than video; negative: earlier.",
        _of_playout(lambda playout: _seconds(playout.av_offset_ms)),
        idle=math.nan,
    ),
    Metric(
        "gauge",
        "target_state",
        "1 for the target's current state.",
        _of_graph(_states_out),
        (*_TARGET, "state"),
        0.0,
    ),
    Metric(
        "counter",
        "target_connects",
        "Connections to a target, including the first.",
        _of_targets(lambda target: target.connects),
        _TARGET,
    ),
    Metric(
        "counter",
        "target_bytes",
        "Bytes that have arrived at a target.",
        _of_targets(lambda target: target.bytes),
        _TARGET,
    ),
    Metric(
        "counter",
        "target_dropped_packets",
        "Packets that were not sent to a target.",
        _of_targets(lambda target: target.dropped),
        _TARGET,
    ),
    Metric(
        "gauge",
        "target_queue_seconds",
        "Seconds that the oldest packet in a target's queue has waited.",
        _of_targets(lambda target: target.queue_seconds),
        _TARGET,
        math.nan,
    ),
)
