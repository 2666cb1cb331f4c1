"""From an ONNX graph to a TensorRT plan, and from a plan to an engine: the room of TensorRT's own library.

TensorRT returns nothing where it fails and writes the reason to its log: here that is an EngineError with the reason.
Version 8.6 crashes where there is no driver: whoever calls this has made sure of one.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sr4k.engines.tensorrt_versions import Exact, builder_flags, is_typed, network_flags
from sr4k.errors import EngineError

try:
    import tensorrt as trt
except ModuleNotFoundError as err:
    raise EngineError("TensorRT is not installed: pip install 'sr4k-stream[gpu]'.") from err
except (ImportError, OSError) as err:
    raise EngineError(f"TensorRT can't be loaded ({err}): pip install --force-reinstall tensorrt.") from err
if not hasattr(trt, "Builder"):  # stubs for type checkers leave a folder of that name
    raise EngineError("TensorRT is not installed: pip install 'sr4k-stream[gpu]'.")

log = logging.getLogger(__name__)

T = TypeVar("T")

VERSION: str = trt.__version__

Context = trt.IExecutionContext
"""What runs one picture at a time."""

_LINE_EVERY = 10.0
"""Seconds between two lines on the progress of a build."""


class _Log(trt.ILogger):
    """Keeps what may be a reason, for the error that is raised; all that TensorRT says is there in verbose logs."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
            self._errors.append(msg)
        elif severity == trt.ILogger.Severity.WARNING:
            self._warnings.append(msg)
        log.debug("TensorRT: %s", msg)

    def forget(self) -> None:
        self._errors.clear()
        self._warnings.clear()

    def reason(self) -> str | None:
        """The first error, for others follow from it; that CUDA can't be started is but a warning, the last."""
        return next(iter((*self._errors, *self._warnings[-1:])), None)


_LOG = _Log()
"""One for all: TensorRT wants it to outlive everything that was made with it."""


@dataclass(frozen=True)
class Loaded:
    """An engine and the runtime that must outlive it: so it comes second, for what comes first goes first."""

    engine: trt.ICudaEngine
    runtime: trt.Runtime

    def new_context(self) -> Context:
        """It must go before the engine does.

        Raises:
            EngineError: it can't be made, mostly for lack of memory on the GPU.
        """
        return required("can't ready the engine to run", self.engine.create_execution_context)


def load_plan(plan: bytes) -> Loaded:
    """The engine of a plan.

    Raises:
        EngineError: it is for another version or another GPU, or damaged.
    """
    runtime = required("can't use this GPU", lambda: trt.Runtime(_LOG))
    return Loaded(required("can't use the plan", lambda: runtime.deserialize_cuda_engine(plan)), runtime)


def build_plan(graph: bytes, precision: Exact, timing: bytes) -> tuple[bytes, bytes]:
    """The plan of an ONNX graph for the GPU at hand, and timings of kernels to hand to the next build.

    Args:
        precision: that the graph is in.
        timing: what an earlier build returned, or nothing.

    Raises:
        EngineError: TensorRT can't build it.
    """
    builder = required("can't use this GPU", lambda: trt.Builder(_LOG))
    kinds = trt.NetworkDefinitionCreationFlag.__members__
    network = builder.create_network(network_flags(kinds))
    parser = trt.OnnxParser(network, _LOG)
    if not parser.parse(graph):
        reasons = "; ".join(parser.get_error(k).desc() for k in range(parser.num_errors))
        raise EngineError(f"TensorRT {VERSION} can't read the network: {reasons}")
    config = builder.create_builder_config()
    for name in builder_flags(kinds, precision):
        config.set_flag(trt.BuilderFlag.__members__[name])
    config.clear_flag(trt.BuilderFlag.__members__["TF32"])  # what reads the picture is exact
    if precision == "fp16" and not is_typed(kinds):
        _keep_float32(network)
    if not _set_timing(config, timing):
        _set_timing(config, b"")
    watch = _watch(config)  # must live as long as the build
    plan = required("can't build the engine", lambda: builder.build_serialized_network(network, config))
    del watch
    return bytes(plan), bytes(config.get_timing_cache().serialize())


def required(what: str, make: Callable[[], "T | None"]) -> T:
    """What is made.

    Raises:
        EngineError: nothing was made; TensorRT ``what``, and the reason.
    """
    _LOG.forget()
    raised = None
    try:
        made = make()
    except (TypeError, RuntimeError, MemoryError) as err:  # a factory that returned nothing is a TypeError
        made, raised = None, err
    if made is None:
        raise EngineError(f"TensorRT {VERSION} {what}: {_LOG.reason() or raised or 'it gave no reason'}")
    return made


def _keep_float32(network: trt.INetworkDefinition) -> None:
    """Where the graph's types are no more than a start: what is float32 is not to become float16."""
    for layer in map(network.get_layer, range(network.num_layers)):
        if layer.type == trt.LayerType.CONVOLUTION and layer.get_output(0).dtype == trt.DataType.FLOAT:
            layer.precision = trt.DataType.FLOAT
            layer.set_output_type(0, trt.DataType.FLOAT)


def _set_timing(config: trt.IBuilderConfig, timing: bytes) -> bool:
    """Whether these timings are of this GPU and version."""
    cache = config.create_timing_cache(timing)
    return bool(cache) and config.set_timing_cache(cache, ignore_mismatch=False)


def _watch(config: trt.IBuilderConfig) -> object:
    """Log the progress of a build, where TensorRT tells of it: from version 10 on."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._due = time.monotonic() + _LINE_EVERY

        def phase_start(self, phase_name: str, parent_phase: "str | None", num_steps: int) -> None:  # noqa: ARG002
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + _LINE_EVERY
                log.info("still building: %s, %d of %d", phase_name, step + 1, self._steps.get(phase_name, step + 1))
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    monitor = Monitor()
    config.progress_monitor = monitor
    return monitor
