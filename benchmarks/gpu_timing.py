"""How long work on an NVIDIA GPU takes, by CUDA events."""

import statistics
from collections.abc import Callable
from typing import Any

from extras import required

torch = required("torch")


DEVICE = "cuda"
SETS = 3
"""Inputs, maps and outputs that take turns, as in a pipeline, so that no cache holds one picture's all."""

_ROUNDS = 30

Row = dict[str, Any]
"""What was measured, by name."""


def timed(calls: list[Callable[[], Any]], macs: int) -> Row:
    """Median, and the multiply-accumulates a second that it comes to."""
    ms = median_ms(calls)
    return {"ms": ms, "gmac": macs / 1e9, "tmac_a_second": macs / ms / 1e9}


def median_ms(calls: list[Callable[[], Any]]) -> float:
    """Of one call, all of them in turn as one CUDA graph where they can be captured."""
    for call in [*calls, *calls]:
        call()
    torch.cuda.synchronize()

    def all_of_them() -> None:
        for call in calls:
            call()

    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            all_of_them()
        run: Callable[[], Any] = graph.replay
    except RuntimeError:
        torch.cuda.synchronize()
        run = all_of_them
    times = []
    for _ in range(_ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / len(calls))
    return statistics.median(times[_ROUNDS // 5 :])
