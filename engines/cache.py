"""Cache of built engines on disk, because building one may take minutes.

The folder holds pairs: ``KEY.plan``, and ``KEY.json``, which describes it. The key is a hash of all that the plan
depends on. Files are written atomically, and a lock on the folder lets one process build at a time: two that time
kernels on one GPU would distort each other's measurements. Needs the extra ``[gpu]``.
"""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from sr4k.engines.cache_folder import cache_folder, hash_of, read_kept
from sr4k.errors import EngineError

try:
    from filelock import FileLock, Timeout
except ImportError as err:
    raise EngineError("The cache of engines needs more packages: pip install 'sr4k-stream[gpu]'.") from err

log = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA = 1
"""Version of the keys: raised when a change to this package makes older plans wrong."""

_PLAN, _ABOUT, _TIMING, _PARTIAL = ".plan", ".json", ".timing", ".partial"
_LOCK = "lock"
_SOON = 1.0
"""Seconds to wait for another process before the log says so."""


@dataclass(frozen=True, slots=True)
class About:
    """Description of a plan.

    Attributes:
        model: name of the network.
        size: WIDTHxHEIGHT of the input.
        precision: of the graph.
        gpu: name of the GPU that it was built for.
        library: name and version of the library that built it.
        created: ISO 8601, UTC.
        seconds: duration of the build.
        nbytes: size of the plan.
        digest: SHA-256 of the plan, in hexadecimal.
    """

    model: str
    size: str
    precision: str
    gpu: str
    library: str
    created: str = ""
    seconds: float = 0.0
    nbytes: int = 0
    digest: str = ""


def key_of(parts: Mapping[str, Any], graph: bytes = b"") -> str:
    """Return a hash of everything that a plan depends on: values that JSON can hold, and the network itself."""
    return hash_of({"schema": SCHEMA, **parts}, graph)


class EngineCache:
    """One cache folder. Where it can't be written to, engines are built at each start, and the log says so."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder()
        self._writable = True

    def get(self, key: str, about: About, load: Callable[[bytes], T], build: Callable[[], bytes]) -> tuple[T, bool]:
        """Return an engine, and whether it came from the cache.

        Processes that need the same one wait for the first to build it.

        Args:
            key: see `key_of`.
            about: description of the plan; its time, size and digest are filled in.
            load: makes an engine from a plan.
            build: makes a plan.

        Raises:
            EngineError: ``build`` fails, or ``load`` refuses a plan that was just built.
        """
        loaded = self._loaded(key, load, quiet=True)
        if loaded is not None:
            return loaded, True
        with self._locked():
            loaded = self._loaded(key, load)
            if loaded is not None:
                return loaded, True
            began = time.monotonic()
            plan = build()
            self._keep(key, plan, about, time.monotonic() - began)
        return load(plan), False

    def entries(self) -> list[About]:
        """Return the descriptions of all plans, sorted by model and size."""
        found = [about for path in self.folder.glob(f"*{_ABOUT}") if (about := read_kept(path, About)) is not None]
        return sorted(found, key=lambda about: (about.model, about.size, about.precision, about.created))

    def clear(self) -> tuple[int, int]:
        """Delete all files, and return the number of plans and of bytes that were freed.

        Raises:
            EngineError: a file can't be deleted.
        """
        plans = nbytes = 0
        with self._locked():
            for path in [p for suffix in (_PLAN, _ABOUT, _TIMING, _PARTIAL) for p in self.folder.glob(f"*{suffix}")]:
                try:
                    nbytes += path.stat().st_size
                    path.unlink()
                except OSError as err:
                    raise EngineError(f"{path} can't be deleted: {err.strerror}.") from err
                plans += path.suffix == _PLAN
        return plans, nbytes

    def seconds(self, model: str) -> float | None:
        """Return the duration of the last build of that model, else of any model; ``None`` if there was none."""
        entries = sorted(self.entries(), key=lambda about: (about.model == model, about.created))
        return entries[-1].seconds if entries else None

    def timing(self, key: str) -> bytes:
        """Return the kernel timings that builds with that key measured; empty if there are none."""
        with suppress(OSError):
            return (self.folder / f"{key}{_TIMING}").read_bytes()
        return b""

    def keep_timing(self, key: str, timing: bytes) -> None:
        """Store kernel timings for the next build."""
        self._write(f"{key}{_TIMING}", timing)

    def _loaded(self, key: str, load: Callable[[bytes], T], *, quiet: bool = False) -> T | None:
        """Return an engine from the cache, or ``None``. ``quiet``: log no failure, because the caller tries again."""
        about = read_kept(self.folder / f"{key}{_ABOUT}", About)
        if about is None:
            return None
        try:
            plan = (self.folder / f"{key}{_PLAN}").read_bytes()
            if hashlib.sha256(plan).hexdigest() != about.digest:
                raise EngineError("it is damaged")
            return load(plan)
        except (OSError, EngineError) as err:
            if not quiet:
                log.warning("The engine of %s for %s in the cache can't be used: %s", about.model, about.size, err)
            return None

    def _keep(self, key: str, plan: bytes, about: About, seconds: float) -> None:
        known = {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(seconds, 1),
            "nbytes": len(plan),
            "digest": hashlib.sha256(plan).hexdigest(),
        }
        self._write(f"{key}{_PLAN}", plan)
        self._write(f"{key}{_ABOUT}", json.dumps({**asdict(about), **known}, indent=2).encode())

    def _write(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        if not self._writable:
            return
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=_PARTIAL, delete=False) as file:
                file.write(content)
            Path(file.name).replace(self.folder / name)
        except OSError as err:
            self._tell_unwritable(err)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder and delete what a crash left; where it can't be written to, go on without a lock."""
        lock = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / _LOCK)
            try:
                lock.acquire(timeout=_SOON)
            except Timeout:
                log.warning("Another process is building an engine: waiting for it.")
                lock.acquire()
            for leftover in self.folder.glob(f"*{_PARTIAL}"):
                leftover.unlink(missing_ok=True)
        except (OSError, NotImplementedError) as err:  # some file systems have no locks
            self._tell_unwritable(err)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def _tell_unwritable(self, err: Exception) -> None:
        self._writable = False
        reason = getattr(err, "strerror", None) or err
        log.warning("Engines can't be kept in %s (%s): each start builds them again.", self.folder, reason)
