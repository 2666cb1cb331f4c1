"""Tells which files in folders change: the kernel's telling, or, where it doesn't tell, looks at all of them."""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds after which nothing is told, so that the caller has a turn."""

_THROUGH = 30.0
"""Seconds between two looks at all files, where the kernel doesn't tell of changes."""


def told_apart(folders: Iterable[Path]) -> tuple[dict[Path, tuple[int, int]], set[Path]]:
    """Return the folders that exist, each with what tells it from another in its place; and those not to be read."""
    there, closed = {}, set()
    for folder in folders:
        try:
            about = folder.stat()
        except PermissionError:
            closed.add(folder)
        except OSError:
            continue
        else:
            if _may_be_read(folder):
                there[folder] = about.st_dev, about.st_ino
            else:
                closed.add(folder)
    return there, closed


def files(path: Path) -> Iterator[Path]:
    """Yield the files in a folder and below; hidden folders, such as the bin, are left out. Of a file, yield itself."""
    if not path.is_dir():
        yield path
        return
    for inside, inner, names in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(inside) / name for name in names)


def changes(folders: list[Path], ending: threading.Event, *, is_polling: bool) -> Iterator[Iterable[Path]]:
    """Yield paths that changed, and no path at least every `_LOOK` seconds, until the end.

    Args:
        folders: to watch, with all that is below.
        ending: is set when the end has come.
        is_polling: whether to look every few seconds instead of waiting for the kernel's word.
    """
    if not folders:
        while not ending.wait(_LOOK):
            yield []
        return
    try:
        yield from _told(folders, ending, is_polling=is_polling)
    except (OSError, RuntimeError) as err:  # a folder in them may not be read, for example
        log.warning(
            "Changes in the watch folders aren't told (%s): all files in them are looked at every %.0f seconds.",
            err,
            _THROUGH,
        )
        yield from _looked_through(folders, ending)


def _looked_through(folders: list[Path], ending: threading.Event) -> Iterator[Iterable[Path]]:
    """Yield all paths in the folders every `_THROUGH` seconds, and no path every `_LOOK` seconds, until the end."""
    last = time.monotonic()
    while not ending.wait(_LOOK):
        if time.monotonic() - last < _THROUGH:
            yield []
            continue
        last = time.monotonic()
        yield chain.from_iterable(map(files, folders))


def _told(folders: list[Path], ending: threading.Event, *, is_polling: bool) -> Iterator[Iterable[Path]]:
    """Yield paths of which the kernel tells that they changed, as `changes` does.

    Raises:
        OSError, RuntimeError: a folder can't be watched.
    """
    from watchfiles import Change, watch  # of the extra [web], which nothing else needs

    all_changes = watch(
        *folders,
        watch_filter=None,
        stop_event=ending,
        rust_timeout=round(_LOOK * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
        force_polling=is_polling or None,
    )
    for changed in all_changes:
        yield [file for kind, path in changed for file in (files(Path(path)) if kind is Change.added else [Path(path)])]


def _may_be_read(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)
