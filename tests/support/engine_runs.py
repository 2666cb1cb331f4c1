"""Engines run as the pipeline runs them."""

from collections.abc import Iterable

from sr4k.engines import Engine
from sr4k.engines.base import Plane


def kept_full(engine: Engine, inputs: Iterable[list[Plane]]) -> list[Plane]:
    """The results of all inputs, as many of them in flight as the engine takes."""
    results = []
    for planes in inputs:
        if engine.pending == engine.in_flight:
            results.append(engine.result().copy())
        engine.submit(planes)
    while engine.pending:
        results.append(engine.result().copy())
    return results
