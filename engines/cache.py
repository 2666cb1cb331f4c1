"""Built engines kept on disk, so that the minutes of a build are spent once.

A folder of pairs: ``KEY.plan``, and beside it ``KEY.json``, which describes it. The key is a hash of all that the plan
depends on. Files appear whole under their names or not at all, and one process builds at a time, in all the cache: two
that measure kernels on one GPU would mislead each other. Needs the extra ``[gpu]``.
"""

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from sr4k.errors import EngineError

try:
    from filelock import FileLock, Timeout
    from platformdirs import user_cache_dir
except ImportError as err:
    raise EngineError("The cache of engines needs more packages: pip install 'sr4k-stream[gpu]'.") from err

log = logging.getLogger(__name__)

T = TypeVar("T")

FOLDER = "SR4K_CACHE"
"""Environment variable that names another folder."""

SCHEMA = 1
"""Part of every key: raised when a change of ours makes plans another's."""

_PLAN, _ABOUT, _TIMING, _PARTIAL = ".plan", ".json", ".timing", ".partial"
_LOCK = "lock"
_SOON = 1.0
"""Seconds to wait for another process without a word."""


@dataclass(frozen=True, slots=True)
class About:
    """What a plan is.

    ``size``: of the input, WIDTHxHEIGHT; ``library``: name and version of what built it; ``created``: ISO 8601, UTC;
    ``seconds``: that the build took; ``nbytes`` and ``digest``: size and SHA-256 of the plan.
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


def cache_folder() -> Path:
    """Where engines are kept: ``SR4K_CACHE``, or the user's folder for such things."""
    return Path(os.environ.get(FOLDER) or Path(user_cache_dir("sr4k-stream")) / "engines")


def key_of(parts: Mapping[str, Any], graph: bytes = b"") -> str:
    """A hash of all that a plan depends on: what JSON can hold, and the network itself."""
    told = json.dumps({"schema": SCHEMA, **parts}, sort_keys=True).encode()
    return hashlib.sha256(hashlib.sha256(graph).digest() + told).hexdigest()[:32]


class EngineCache:
    """One folder. What can't be kept there works all the same, and is said."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_folder()
        self._writable = True

    def get(self, key: str, about: About, load: Callable[[bytes], T], build: Callable[[], bytes]) -> tuple[T, bool]:
        """An engine, and whether it was there. Processes that want the same one wait for the first to build it.

        Args:
            key: see `key_of`.
            about: what it is, as far as that is known before.
            load: makes an engine of a plan.
            build: makes a plan.

        Raises:
            EngineError: from ``load``, of a plan that was just built, or from ``build``.
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
        """What is there, by model and size."""
        found = [about for path in self.folder.glob(f"*{_ABOUT}") if (about := _read_about(path)) is not None]
        return sorted(found, key=lambda about: (about.model, about.size, about.precision, about.created))

    def clear(self) -> tuple[int, int]:
        """Delete everything: how many plans, and how many bytes in all.

        Raises:
            EngineError: something can't be deleted.
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
        """How long a build took here: the last of that model, or of any; ``None``: there was none yet."""
        entries = sorted(self.entries(), key=lambda about: (about.model == model, about.created))
        return entries[-1].seconds if entries else None

    def timing(self, key: str) -> bytes:
        """Timings that builds with that key measured; empty: none."""
        with suppress(OSError):
            return (self.folder / f"{key}{_TIMING}").read_bytes()
        return b""

    def keep_timing(self, key: str, timing: bytes) -> None:
        """Keep them for the next build."""
        self._write(f"{key}{_TIMING}", timing)

    def _loaded(self, key: str, load: Callable[[bytes], T], *, quiet: bool = False) -> T | None:
        """An engine, if there is one that can be loaded. ``quiet``: say nothing, for it is tried once more."""
        about = _read_about(self.folder / f"{key}{_ABOUT}")
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
        """Whole, or not at all."""
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
        """Alone in the folder, and rid of what a crash left; if it can't be written to, without."""
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
        except (OSError, NotImplementedError) as err:  # a file system may know no locks
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


def _read_about(path: Path) -> About | None:
    try:
        told = json.loads(path.read_text("utf-8"))
        return About(**{field.name: told[field.name] for field in fields(About)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
