"""How processes are started so that nothing of the current folder is run in them.

``python -c`` and ``python -m`` look for modules in the current folder first, the standard library's included: a
``struct.py`` among somebody's downloads would be run in every worker. And so does the loader of shared libraries where
``LD_LIBRARY_PATH`` has an empty entry, as the import of OpenCV leaves it.
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
"""The exit code of a worker that would have started a job while it imported the user's script."""


def leave_if_importing() -> None:
    """To be called before a graph is started: ends a worker that got here by importing the script it was started from.

    A spawned process runs the main script anew; without ``if __name__ == "__main__":`` that starts the job once more.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself finds out
        os._exit(UNGUARDED)


def interpreter() -> list[str]:
    """The command of a Python that has this one's switches for where modules come from, to be run in `safe_path`."""
    flags = ["-E"] * bool(sys.flags.ignore_environment) + ["-s"] * bool(sys.flags.no_user_site)
    return [sys.executable, "-P", *flags]


@contextmanager
def safe_path() -> Iterator[None]:
    """What is started meanwhile, multiprocessing's resource tracker included, runs nothing of the current folder.

    A spawned process gets ``sys.path`` of this one as soon as it can read it, and finds the user's modules by that.
    It keeps the variables, for what it may start itself; this process has them only meanwhile, for other programs that
    it starts may want their own folder. Several threads may be in here. A main script that is no file,
    but came through a pipe, is not looked for by what is started.
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
    """Multiprocessing tells a new process to run the main module's file, even where that is called ``<stdin>``."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is not None and not os.path.isfile(file):  # noqa: PTH113 - of whatever name
        _main_file.append(file)
        del sys.modules["__main__"].__file__


def _show_main() -> None:
    while _main_file:
        sys.modules["__main__"].__file__ = _main_file.pop()
