"""Run engines as the pipeline does."""

from collections.abc import Iterable

from sr4k.engines import Engine
from sr4k.engines.base import Plane, joined


def kept_full(engine: Engine, inputs: Iterable[list[Plane]]) -> list[Plane]:
    """Return the results of all inputs, with as many in flight as the engine supports."""
    results = []
    for planes in inputs:
        if engine.pending == engine.in_flight:
            results.append(joined(engine.result()))
        engine.submit(planes)
    while engine.pending:
        results.append(joined(engine.result()))
    return results
