"""Engines for the tests of what happens when one does not start."""

from sr4k.engines.base import EngineSpec
from sr4k.engines.nearest import NearestEngine
from sr4k.errors import EngineError


class FailingEngine(NearestEngine):
    """One that is there and does not start."""

    def activate_impl(self) -> None:
        raise EngineError("the GPU\nis full.")


class FailingOnGpu:
    """The same for pictures on the GPU."""

    def __init__(self, spec: EngineSpec) -> None:  # noqa: ARG002
        raise EngineError("the GPU\nis full.")
