"""Prometheus metrics of the queue, collected at each scrape."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sr4k.queue.job_queue import Queue
from sr4k.queue.queued_job import State

JOBS, PAUSED = "sr4k_jobs", "sr4k_queue_paused"
"""Names of the metrics."""


def queue_metrics(queue: Queue) -> str:
    """Return the metrics of a queue, as Prometheus reads them."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(_OfQueue(queue))
    return generate_latest(registry).decode()


class _OfQueue(Collector):
    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[GaugeMetricFamily]:
        jobs, counts = GaugeMetricFamily(JOBS, "Jobs on files, by state.", labels=("state",)), self._queue.counts()
        for state in get_args(State):
            jobs.add_metric((state,), counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily(PAUSED, "1 while the queue is paused.", value=float(self._queue.is_paused))
