"""Memory, streams and graphs of CUDA through NVIDIA's own bindings: no more than an engine needs. Device 0 throughout.

Each CUDA call's status is checked: one that is not success is an EngineError. Needs the extra ``[gpu]``.
"""

import ctypes
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sr4k.engines.nvidia import Driver, driver
from sr4k.errors import EngineError

try:
    from cuda.bindings import runtime as cuda
except ImportError as err:
    raise EngineError("CUDA's bindings are not installed: pip install 'sr4k-stream[gpu]'.") from err

if TYPE_CHECKING:
    from typing import Self  # Python 3.11: an engine's library may want an older one


def start() -> None:
    """Ready device 0 for this thread.

    Raises:
        EngineError: CUDA can't be used; says why.
    """
    require_bindings_for(driver(), runtime_version())
    _checked(cuda.cudaSetDevice(0))
    _checked(cuda.cudaFree(0))  # makes the context: what is wrong shows here


def runtime_version() -> tuple[int, int]:
    """Of the CUDA runtime inside the bindings, such as (13, 0)."""
    version = _checked(cuda.cudaRuntimeGetVersion())
    return version // 1000, version % 1000 // 10


def require_bindings_for(found: Driver, runtime: tuple[int, int]) -> None:
    """Bindings of a CUDA newer than the driver's by a major version don't run.

    Raises:
        EngineError: they are.
    """
    if found.cuda is not None and runtime[0] > found.cuda[0]:
        newest = found.cuda[0]
        raise EngineError(
            f"The NVIDIA driver runs CUDA up to {newest}.{found.cuda[1]}, cuda-bindings are for {runtime[0]}: update "
            f"the driver, or pip install 'cuda-bindings<{newest + 1}'."
        )


class Stream:
    """A stream of its own, not the default one: work on it is done in order, beside that of other streams."""

    def __init__(self) -> None:
        self._stream = _checked(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda.cudaStreamSynchronize(self._stream)  # not checked, as all that is given back: an error was told before
        cuda.cudaStreamDestroy(self._stream)

    @property
    def handle(self) -> int:
        """As other libraries take it."""
        return int(self._stream)

    def wait(self) -> None:
        """Until all work on it is done."""
        _checked(cuda.cudaStreamSynchronize(self._stream))

    def captured(self, work: Callable[[], None]) -> "Graph":
        """What ``work`` puts on this stream, as a graph, without doing it.

        Raises:
            EngineError: it can't be captured. The stream is as before.
        """
        # Of this thread alone: others may allocate meanwhile.
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _checked(cuda.cudaStreamBeginCapture(self._stream, mode))
        try:
            work()
        except BaseException:
            cuda.cudaStreamEndCapture(self._stream)
            cuda.cudaGetLastError()  # forget it
            raise
        return Graph(self, _checked(cuda.cudaStreamEndCapture(self._stream)))


class Graph:
    """Captured work, launched at the cost of one call."""

    def __init__(self, stream: Stream, captured: Any) -> None:
        self._stream = stream
        try:
            self._graph = _checked(cuda.cudaGraphInstantiate(captured, 0))
        finally:
            cuda.cudaGraphDestroy(captured)

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda.cudaGraphExecDestroy(self._graph)

    def launch(self) -> None:
        """Do the work once, on the stream that it was captured from."""
        _checked(cuda.cudaGraphLaunch(self._graph, self._stream.handle))


class Mirrored:
    """An array on the host, in pinned memory, and as much memory on the device, to be copied between on a stream.

    ``host`` may outlive this; ``device`` is an address, given back at the end.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.host = pinned(shape, dtype)
        self.device = int(_checked(cuda.cudaMalloc(self.host.nbytes)))

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda.cudaFree(self.device)

    def upload(self, stream: Stream) -> None:
        """Host to device, when the stream comes to it."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _checked(cuda.cudaMemcpyAsync(self.device, self.host.ctypes.data, self.host.nbytes, kind, stream.handle))

    def download(self, stream: Stream) -> None:
        """Device to host, likewise."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _checked(cuda.cudaMemcpyAsync(self.host.ctypes.data, self.device, self.host.nbytes, kind, stream.handle))


def pinned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array in memory that the device copies to and from by itself; given back with the last view of it."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    address = int(_checked(cuda.cudaHostAlloc(nbytes, cuda.cudaHostAllocDefault)))
    raw = (ctypes.c_uint8 * nbytes).from_address(address)
    weakref.finalize(raw, cuda.cudaFreeHost, address)
    return np.ctypeslib.as_array(raw).view(dtype).reshape(shape)


def _checked(result: tuple[Any, ...]) -> Any:
    """The value of a call, or ``None``."""
    status, *values = result
    if status != cuda.cudaError_t.cudaSuccess:
        _, text = cuda.cudaGetErrorString(status)
        raise EngineError(f"CUDA: {text.decode(errors='replace')} ({status.name}).")
    return values[0] if values else None
