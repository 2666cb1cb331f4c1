"""Engines that fail to start, or keep their weights."""

from sr4k.engines.base import EngineSpec
from sr4k.engines.nearest import NearestEngine
from sr4k.errors import EngineError


class FailingEngine(NearestEngine):
    """An engine that is available but fails to start."""

    def activate_impl(self) -> None:
        raise EngineError("the GPU\nis full.")


class SteadyEngine(NearestEngine):
    """An engine that takes too long to build to follow the quality of frames."""

    follows_quality = False


class FailingOnGpu:
    """An engine for frames on the GPU that fails to start."""

    def __init__(self, spec: EngineSpec) -> None:  # noqa: ARG002
        raise EngineError("the GPU\nis full.")
