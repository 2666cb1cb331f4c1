"""Start processes so that they import and run nothing from the current folder.

``python -c`` and ``python -m`` look for modules in the current folder first, even for those of the standard library: a
``struct.py`` among somebody's downloads would run in every worker. The loader of shared libraries does the same if
``LD_LIBRARY_PATH`` has an empty entry, which importing OpenCV leaves there.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = "LD_LIBRARY_PATH"

_lock = threading.Lock()
_inside = 0
_before: dict[str, str | None] = {}
_main_file: list[str] = []


UNGUARDED = 79
"""Exit code of a worker that would have started another job while importing the user's script."""


def leave_if_importing() -> None:
    """Exit with `UNGUARDED` if this is a worker that is importing the main script; call this before starting a graph.

    A spawned process runs the main script again; without ``if __name__ == "__main__":`` that would start the job again.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # multiprocessing checks the same attribute
        os._exit(UNGUARDED)


def interpreter() -> list[str]:
    """Return the command of a Python with the same module search switches as this one, to be run in `safe_path`."""
    flags = ["-E"] * bool(sys.flags.ignore_environment) + ["-s"] * bool(sys.flags.no_user_site)
    return [sys.executable, "-P", *flags]


@contextmanager
def safe_path() -> Iterator[None]:
    """Keep processes that are started inside, multiprocessing's resource tracker included, off the current folder.

    A spawned process still finds the user's modules: multiprocessing sends it the ``sys.path`` of this one. It keeps
    the environment variables for its own children; this process has them only inside, because other programs that it
    starts may need their current folder. Several threads may be inside at once. A main script that came through a pipe
    has no file, and spawned processes do not look for one.
    """
    global _inside
    with _lock:
        if _inside == 0:
            wanted = {"PYTHONSAFEPATH": "1", _LIBRARIES: _without_empty(os.environ.get(_LIBRARIES))}
            _before.update({name: os.environ.get(name) for name in wanted})
            _set(wanted)
            _hide_main()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _set(_before)
                _show_main()


def _without_empty(path: str | None) -> str | None:
    return ":".join(filter(None, (path or "").split(":"))) or None


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _hide_main() -> None:
    """Delete ``__file__`` of a main module that has no file: a spawned process would try to run ``<stdin>``."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is not None and not os.path.isfile(file):  # noqa: PTH113 - of whatever name
        _main_file.append(file)
        del sys.modules["__main__"].__file__


def _show_main() -> None:
    while _main_file:
        sys.modules["__main__"].__file__ = _main_file.pop()
