"""Host memory of others that an NVIDIA GPU copies to and from without the CPU. Needs the extra ``[cuda]``."""

import logging
from typing import Any

from sr4k.errors import EngineError

log = logging.getLogger(__name__)


class RegisteredMemory:
    """Buffers that are registered with CUDA when they are first seen, and until `close`.

    All calls need a current CUDA context, as PyTorch makes it. Where registering fails, as where the system lets too
    little memory be locked, the log says why, and no other buffer is tried.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], bool] = {}
        self._refused = False

    def holds(self, buffer: Any) -> bool:
        """Register an array that starts on a page boundary, unless it is already; return whether that succeeded."""
        key = (buffer.ctypes.data, buffer.nbytes)
        if key not in self._found:
            self._found[key] = not self._refused and self._register(*key)
        return self._found[key]

    def close(self) -> None:
        """Let go of all buffers, which must still exist."""
        for (address, _), held in self._found.items():
            if held:
                _driver().cuMemHostUnregister(address)
        self._found.clear()

    def _register(self, address: int, nbytes: int) -> bool:
        try:
            (status,) = _driver().cuMemHostRegister(address, nbytes, 0)
            trouble = None if int(status) == 0 else status.name
        except EngineError as err:
            trouble = str(err)
        if trouble is not None:
            self._refused = True
            log.info("Frames take a second copy in host memory: it can't be registered with CUDA (%s).", trouble)
        return trouble is None


def _driver() -> Any:
    try:
        from cuda.bindings import driver
    except ImportError as err:
        raise EngineError("CUDA's bindings are not installed") from err
    return driver
