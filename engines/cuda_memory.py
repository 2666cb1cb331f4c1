"""CUDA memory, streams and graphs on device 0, through NVIDIA's Python bindings. Needs the extra ``[gpu]``.

The status of each CUDA call is checked; a failure raises EngineError.
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
    """Initialise device 0 for this thread.

    Raises:
        EngineError: CUDA can't be used; the message says why.
    """
    require_bindings_for(driver(), runtime_version())
    _checked(cuda.cudaSetDevice(0))
    _checked(cuda.cudaFree(0))  # creates the context, so that problems show here


def runtime_version() -> tuple[int, int]:
    """Return the version of the CUDA runtime inside the bindings, such as (13, 0)."""
    version = _checked(cuda.cudaRuntimeGetVersion())
    return version // 1000, version % 1000 // 10


def require_bindings_for(found: Driver, runtime: tuple[int, int]) -> None:
    """Check that the driver supports the major version of CUDA that the bindings are for.

    Raises:
        EngineError: it doesn't.
    """
    if found.cuda is not None and runtime[0] > found.cuda[0]:
        newest = found.cuda[0]
        raise EngineError(
            f"The NVIDIA driver runs CUDA up to {newest}.{found.cuda[1]}, cuda-bindings are for {runtime[0]}: update "
            f"the driver, or pip install 'cuda-bindings<{newest + 1}'."
        )


class Stream:
    """A CUDA stream that does not synchronise with the default one."""

    def __init__(self) -> None:
        self._stream = _checked(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cuda.cudaStreamSynchronize(self._stream)  # unchecked, like all clean-up: the error has been raised already
        cuda.cudaStreamDestroy(self._stream)

    @property
    def handle(self) -> int:
        """The ``cudaStream_t`` as an integer, for other libraries."""
        return int(self._stream)

    def wait(self) -> None:
        """Block until all work on the stream is done."""
        _checked(cuda.cudaStreamSynchronize(self._stream))

    def captured(self, work: Callable[[], None]) -> "Graph":
        """Capture what ``work`` enqueues on this stream as a graph, without running it.

        Raises:
            EngineError: it can't be captured. The stream remains usable.
        """
        # Thread-local, so that other threads may allocate memory meanwhile.
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _checked(cuda.cudaStreamBeginCapture(self._stream, mode))
        try:
            work()
        except BaseException:
            cuda.cudaStreamEndCapture(self._stream)
            cuda.cudaGetLastError()  # clears the error
            raise
        return Graph(self, _checked(cuda.cudaStreamEndCapture(self._stream)))


class Graph:
    """An instantiated CUDA graph, launched by one call."""

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
        """Launch the graph once on the stream that it was captured from."""
        _checked(cuda.cudaGraphLaunch(self._graph, self._stream.handle))


class Mirrored:
    """A pinned host array and a device buffer of the same size, with asynchronous copies between them.

    Attributes:
        host: the array; it may outlive this object.
        device: address of the buffer, which is freed at the end of the ``with`` block.
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
        """Enqueue a copy from host to device."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _checked(cuda.cudaMemcpyAsync(self.device, self.host.ctypes.data, self.host.nbytes, kind, stream.handle))

    def download(self, stream: Stream) -> None:
        """Enqueue a copy from device to host."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _checked(cuda.cudaMemcpyAsync(self.host.ctypes.data, self.device, self.host.nbytes, kind, stream.handle))


def pinned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array in pinned memory, which is freed with the last view of it."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    address = int(_checked(cuda.cudaHostAlloc(nbytes, cuda.cudaHostAllocDefault)))
    raw = (ctypes.c_uint8 * nbytes).from_address(address)
    weakref.finalize(raw, cuda.cudaFreeHost, address)
    return np.ctypeslib.as_array(raw).view(dtype).reshape(shape)


def _checked(result: tuple[Any, ...]) -> Any:
    """Return the value of a CUDA call, or ``None`` if it has none; raise EngineError if it failed."""
    status, *values = result
    if status != cuda.cudaError_t.cudaSuccess:
        _, text = cuda.cudaGetErrorString(status)
        raise EngineError(f"CUDA: {text.decode(errors='replace')} ({status.name}).")
    return values[0] if values else None
