"""TensorRT's library: build a plan from an ONNX graph, and load an engine from a plan.

Where TensorRT fails it returns ``None`` and logs the reason; these functions raise EngineError with that reason.
Version 8.6 crashes where there is no driver, so callers check for one first.
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
"""TensorRT's execution context, which runs one frame at a time."""

_LINE_EVERY = 10.0
"""Seconds between two log lines on the progress of a build."""


class _Log(trt.ILogger):
    """Keeps errors and warnings, as reasons for an EngineError, and passes all lines on at debug level."""

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
        """Return the first error, which causes the others, else the last warning, as where CUDA fails to start."""
        return next(iter((*self._errors, *self._warnings[-1:])), None)


_LOG = _Log()
"""Shared, because TensorRT needs it to outlive everything that was made with it."""


@dataclass(frozen=True)
class Loaded:
    """An engine and its runtime. Fields are destroyed in order, and the engine must go first."""

    engine: trt.ICudaEngine
    runtime: trt.Runtime

    def new_context(self) -> Context:
        """Return an execution context, which must be destroyed before the engine.

        Raises:
            EngineError: it can't be made, mostly for lack of GPU memory.
        """
        return required("can't prepare the engine to run", self.engine.create_execution_context)


def load_plan(plan: bytes) -> Loaded:
    """Load an engine from a plan.

    Raises:
        EngineError: the plan is for another version or GPU, or damaged.
    """
    runtime = required("can't use this GPU", lambda: trt.Runtime(_LOG))
    return Loaded(required("can't use the plan", lambda: runtime.deserialize_cuda_engine(plan)), runtime)


def build_plan(graph: bytes, precision: Exact, timing: bytes) -> tuple[bytes, bytes]:
    """Build the plan of an ONNX graph for this GPU, and return it with kernel timings for the next build.

    Args:
        graph: serialised ONNX model.
        precision: of the graph.
        timing: timings that an earlier build returned, or empty.

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
    config.clear_flag(trt.BuilderFlag.__members__["TF32"])  # convolutions of the input planes are exact
    if precision == "fp16" and not is_typed(kinds):
        _keep_float32(network)
    if not _set_timing(config, timing):
        _set_timing(config, b"")
    watch = _watch(config)  # must live as long as the build
    plan = required("can't build the engine", lambda: builder.build_serialized_network(network, config))
    del watch
    return bytes(plan), bytes(config.get_timing_cache().serialize())


def required(what: str, make: Callable[[], "T | None"]) -> T:
    """Return the result of ``make``.

    Raises:
        EngineError: it is ``None`` or raises; the message is "TensorRT VERSION ``what``: reason".
    """
    _LOG.forget()
    raised = None
    try:
        made = make()
    except (TypeError, RuntimeError, MemoryError) as err:  # a constructor that returns nothing is a TypeError
        made, raised = None, err
    if made is None:
        raise EngineError(f"TensorRT {VERSION} {what}: {_LOG.reason() or raised or 'it gave no reason'}")
    return made


def _keep_float32(network: trt.INetworkDefinition) -> None:
    """Keep float32 convolutions from becoming float16, where the graph's types don't bind TensorRT."""
    for layer in map(network.get_layer, range(network.num_layers)):
        if layer.type == trt.LayerType.CONVOLUTION and layer.get_output(0).dtype == trt.DataType.FLOAT:
            layer.precision = trt.DataType.FLOAT
            layer.set_output_type(0, trt.DataType.FLOAT)


def _set_timing(config: trt.IBuilderConfig, timing: bytes) -> bool:
    """Use timings of an earlier build, and return whether they are of this GPU and version."""
    cache = config.create_timing_cache(timing)
    return bool(cache) and config.set_timing_cache(cache, ignore_mismatch=False)


def _watch(config: trt.IBuilderConfig) -> object:
    """Log the progress of a build where TensorRT reports it, from version 10 on; return the monitor, if any."""
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
