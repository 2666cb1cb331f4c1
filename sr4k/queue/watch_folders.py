"""Watch folders: new videos become jobs, when they are written and are of the kind that is wanted."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Self

from sr4k.errors import InputError, Sr4kError
from sr4k.jobs.file_job import Job
from sr4k.jobs.sources import is_video_name
from sr4k.queue.errand import in_child
from sr4k.queue.folder_changes import changes, files, told_apart
from sr4k.queue.going_on import GoingOn
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.planning import check_paths, job_of, probe_of
from sr4k.queue.queued_job import QueuedJob
from sr4k.queue.settings import Library, WatchFolder
from sr4k.queue.settling import settle

log = logging.getLogger(__name__)

_LONG = 5.0
"""Seconds after which files that are written wait until others, and changed settings, have been looked at."""

_AGAIN = 60.0
"""Seconds until a file is looked into again, where something other than the file itself kept it out."""

_PROBE_SECONDS = 60.0

_SEEN = "seen:"
"""Beginning of the names of facts on files that were looked into."""

Version = tuple[int, int]
"""Size of a file in bytes, and its modification time in ns."""


@dataclass(slots=True)
class _Found:
    """A file that is to be looked into. ``since``: when it became as it is; ``told``: what kept it out before."""

    folder: str
    version: Version
    since: float
    told: str = ""


class Watcher:
    """Adds jobs in a thread of its own, from `start` to `stop`; a context manager does both.

    A file is looked into once, also by later services, until it changes.
    """

    def __init__(self, queue: Queue, library: Library, settings: SettingsKeeper) -> None:
        self._queue, self._library, self._settings = queue, library, settings
        self._found: dict[Path, _Found] = {}
        self._closed: set[Path] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sr4k-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch; what is in the folders already counts as new."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._ending.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def settled(self, job: QueuedJob) -> None:
        """Put the result of a job in the place of its source, if its watch folder says so and all checks are well."""
        folder = self._settings.now.watch.get(job.origin.removeprefix("watch:"))
        if not job.origin.startswith("watch:") or folder is None or folder.once_done != "replace":
            return
        if job.result is None or job.result.damaged or not all(check.ok for check in job.result.checks):
            return
        done = settle(self._queue, self._library, job.id, "replace")
        assert done.result is not None
        output = Path(done.result.output)
        self._remember(output, _version(output))

    def _run(self) -> None:
        steady = GoingOn("The watch folders", self._ending.wait)
        while not self._ending.is_set():
            with steady.round():
                self._watch()

    def _watch(self) -> None:
        """Watch until the settings change, or a folder comes or goes, as those of drives do.

        Those that may not be read are left out until they may be: one of them would keep all others from being watched.
        """
        watch = self._settings.now.watch
        there = self._there(watch)
        is_all_seen = False
        for changed in changes([*there], self._ending, is_polling=any(folder.polling for folder in watch.values())):
            if not is_all_seen:  # when changes are told already, so that nothing appears in between
                changed = chain.from_iterable(map(files, there))
            is_all_seen = True
            for path in changed:
                for name, folder in watch.items():
                    self._see(name, folder, path)
            self._look_into_written()
            if self._settings.now.watch != watch or self._there(watch) != there:
                return

    def _there(self, watch: Mapping[str, WatchFolder]) -> dict[Path, tuple[int, int]]:
        """Return the folders that can be watched (see `told_apart`), and tell of each that may no longer be read."""
        there, closed = told_apart(folder.folder for folder in watch.values())
        for name, folder in watch.items():
            if folder.folder in closed - self._closed:
                log.warning("Watch folder %s: %s may not be read: check its permissions.", name, folder.folder)
        self._closed = closed
        return there

    def _see(self, name: str, folder: WatchFolder, path: Path) -> None:
        """Note a file that might be wanted, or that it has changed."""
        if not _wants(folder, path):
            return
        try:
            self._library.inside(path)
        except InputError as err:
            log.warning("Watch folder %s: %s", name, err)
            return
        version = _version(path)
        if version is None:
            self._found.pop(path, None)
            return
        known = self._found.get(path)
        if (known is None or known.version != version) and not self._is_known(path, version):
            self._found[path] = _Found(name, version, time.monotonic())

    def _look_into_written(self) -> None:
        """Add a job for each file that has stayed as it was for long enough; some of them, if they are many."""
        until = time.monotonic() + _LONG
        for path, found in _in_turns(self._found):
            if self._ending.is_set() or time.monotonic() > until:
                return
            version, folder = _version(path), self._settings.now.watch.get(found.folder)
            if version is None or folder is None or not _wants(folder, path):  # the rules may have changed meanwhile
                del self._found[path]
            elif version != found.version:
                self._found[path] = _Found(found.folder, version, time.monotonic())
            elif time.monotonic() - found.since >= folder.stable:
                del self._found[path]
                self._consider(found, folder, path)

    def _consider(self, found: _Found, folder: WatchFolder, path: Path) -> None:
        """Add a job for a file that is written, or remember that it needs none."""
        name = found.folder
        try:
            job = self._job_of(folder, path)
            if self._settings.now.watch.get(name) != folder:  # while it was looked into: the new rules are asked
                self._found[path] = found
                return
            if job is not None:
                origin = f"watch:{name}"
                self._queue.add(job.source, job.target, folder.options, priority=folder.priority, origin=origin)
            self._remember(path, found.version)
        except InputError as err:
            log.warning("Watch folder %s: %s", name, err)
            self._remember(path, found.version)
        except Sr4kError as err:
            if str(err) != found.told:
                log.warning("Watch folder %s: %s: %s", name, path, err)
            self._found[path] = _Found(name, found.version, time.monotonic() + _AGAIN, told=str(err))

    def _job_of(self, folder: WatchFolder, path: Path) -> Job | None:
        """Return the job that the rules of a folder make of a file; ``None``: none.

        Raises:
            Sr4kError: it can't be read, or its result can't be written.
        """
        source = self._library.inside(path)
        if self._queue.has(str(source)) or self._queue.makes(str(source)):
            return None
        video = in_child(probe_of, str(source), seconds=_PROBE_SECONDS)["video"]
        size = video["width"], video["height"]
        if folder.smaller_than is not None and not all(map(int.__lt__, size, folder.smaller_than)):
            return None
        target = self._library.inside(folder.target_of(source, *size))
        if self._queue.has_target_of_another(str(target), str(source)):  # as of a.avi and a.mkv
            target = self._library.inside(folder.target_of(source, *size, is_whole=True))
        if target.exists():
            return None
        job = job_of(source, target, folder.options)
        check_paths(self._library, job)
        return job

    def _is_known(self, path: Path, version: Version) -> bool:
        return self._queue.fact(f"{_SEEN}{path}") == f"{version}"

    def _remember(self, path: Path, version: Version | None) -> None:
        """Note that a file is known; as it was before it was looked into, for it may have changed meanwhile."""
        self._queue.keep_fact(f"{_SEEN}{path}", f"{version}")


def _in_turns(found: dict[Path, _Found]) -> list[tuple[Path, _Found]]:
    """Return files so that none waits for all of another folder's."""
    by_folder: dict[str, list[tuple[Path, _Found]]] = {}
    for each in found.items():
        by_folder.setdefault(each[1].folder, []).append(each)
    return [each for turn in zip_longest(*by_folder.values()) for each in turn if each is not None]


def _wants(folder: WatchFolder, path: Path) -> bool:
    """Whether a file is one that a folder's rules, as far as its path tells, make a job of."""
    if folder.folder not in path.parents or not is_video_name(path):
        return False
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder.folder).parts)
    return not is_hidden and folder.wants(path.name)


def _version(path: Path) -> Version | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns
