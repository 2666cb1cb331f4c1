"""What kernels that PyTorch doesn't launch need to know of a GPU. For the CPU, where tests emulate them, all is 0."""

from types import TracebackType

import torch


def capability_of(device: torch.device) -> tuple[int, int]:
    """Return the compute capability."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)


def stream_of(device: torch.device) -> int:
    """Return the handle of the current stream."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


class InTurn:
    """A context in which work that shares memory is enqueued: it runs after that of the contexts before, on any stream.

    The context is the handle of the current stream, which takes the work.

    Args:
        device: of the streams.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._done = torch.cuda.Event() if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __enter__(self) -> int:
        if self._done is None:
            return 0
        self._stream = torch.cuda.current_stream(self._device)
        self._stream.wait_event(self._done)
        return self._stream.cuda_stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done is not None:
            self._done.record(self._stream)

    def wait(self) -> None:
        """Block until all the work is done."""
        if self._done is not None:
            self._done.synchronize()
