"""Timing of work on an NVIDIA GPU by CUDA events; under Triton's interpreter, as a rehearsal, on the CPU."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from extras import required
from gpu_plan import REHEARSAL

torch = required("torch")

Row = dict[str, Any]
"""Measurements by name."""

DEVICE = "cpu" if REHEARSAL else "cuda"

SETS = 1 if REHEARSAL else 3
"""Inputs, maps and outputs that take turns, as in a pipeline, so that no cache holds all of one frame's data."""

_LEAST_MS = 4.0
"""Least duration of a measured graph. Its launch takes the CPU some 0.01 ms, then less than 0.5 % of the result."""

_WARM_SECONDS = 0.15
"""Seconds of work before the measurement, in which the GPU's clocks rise from those of an idle one."""

_MOST_REPEATS = 200
_ROUNDS = 15


def timed(calls: Sequence[Callable[[], Any]], macs: int = 0, *, capture: bool = True) -> Row:
    """Time one call, all of them in turn many times over as one CUDA graph.

    Args:
        calls: pieces of work that enqueue on the current stream.
        macs: multiply-accumulates of one call.
        capture: false for calls that can't be captured; the CPU's launches then count where the GPU waits for them.

    Returns:
        ``ms``: the median of a call, ``least_ms`` and ``most_ms``, ``repeats`` of each call in a measurement, ``how``:
        ``graph`` or why there is none; with ``macs`` also ``tmac_a_second``.
    """
    if REHEARSAL:
        return _summary([_on_the_cpu(calls)], 1, "rehearsal", macs)
    for call in [*calls, *calls]:
        call()
    torch.cuda.synchronize()
    once = _between_events(lambda: _run(calls, 1)) / len(calls)
    repeats = max(1, min(_MOST_REPEATS, round(_LEAST_MS / max(once, 1e-3) / len(calls)) + 1))
    run, how = _captured(calls, repeats) if capture else (lambda: _run(calls, repeats), "not captured")
    warm = time.monotonic() + _WARM_SECONDS
    while time.monotonic() < warm:
        run()
        torch.cuda.synchronize()
    times = [_between_events(run) / len(calls) / repeats for _ in range(_ROUNDS)]
    return _summary(times, repeats, how, macs)


def enqueued_us(calls: Sequence[Callable[[], Any]]) -> float:
    """Return the microseconds of the CPU to enqueue one call, of a few, so that the CPU doesn't wait for the GPU."""
    if not REHEARSAL:
        torch.cuda.synchronize()
    times = []
    for call in [*calls, *calls]:
        began = time.perf_counter()
        call()
        times.append(1e6 * (time.perf_counter() - began))
    return statistics.median(times)


def _summary(times: list[float], repeats: int, how: str, macs: int) -> Row:
    ms = statistics.median(times)
    row: Row = {"ms": ms, "least_ms": min(times), "most_ms": max(times), "repeats": repeats, "how": how}
    return row | ({"tmac_a_second": macs / ms / 1e9} if macs else {})


def _run(calls: Sequence[Callable[[], Any]], repeats: int) -> None:
    for _ in range(repeats):
        for call in calls:
            call()


def _captured(calls: Sequence[Callable[[], Any]], repeats: int) -> tuple[Callable[[], Any], str]:
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    try:
        # The outer context restores the current stream, which PyTorch does not where a capture fails.
        with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream):
            _run(calls, repeats)
    except RuntimeError as err:
        torch.cuda.synchronize()
        return lambda: _run(calls, repeats), f"no graph: {str(err).splitlines()[0][:80]}"
    return graph.replay, "graph"


def _between_events(work: Callable[[], Any]) -> float:
    """Return milliseconds of the GPU from before the work to after it."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def _on_the_cpu(calls: Sequence[Callable[[], Any]]) -> float:
    began = time.perf_counter()
    _run(calls, 1)
    return 1e3 * (time.perf_counter() - began) / len(calls)
