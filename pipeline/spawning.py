"""Start Python processes that run nothing of the current folder, and nothing of the program that starts them.

The main module of that program is not imported: it would start its work again, and may not be a file at all.

``python -c`` and ``python -m`` look for modules in the current folder first, even for those of the standard library: a
``struct.py`` among somebody's downloads would run in every worker. The loader of shared libraries does the same if
``LD_LIBRARY_PATH`` has an empty entry, which importing OpenCV leaves there.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakSet

_LIBRARIES = "LD_LIBRARY_PATH"

# The current folder is not searched: only the parent's `sys.path` may lead to this package. The kernel kills the
# process when the thread that started it ends (PR_SET_PDEATHSIG, SIGKILL), unless that has happened before.
_START = """
import ctypes, os, pickle, sys
ctypes.CDLL(None).prctl(1, 9)
pipe = os.fdopen(int(sys.argv[3]), "rb")
try:
    parent, sys.path[:] = pickle.load(pipe)
except EOFError:
    sys.exit()  # that process was stopped meanwhile
if os.getppid() == parent:
    from importlib import import_module
    from sr4k.common.ending import end_soon
    import_module(sys.argv[1]).run(sys.argv[2], pipe)
    end_soon()
"""


def has_interpreter() -> bool:
    """Whether there is a Python to start processes with; a program that embeds or freezes one may have none."""
    return _python() is not None


def interpreter() -> list[str]:
    """Return the command of a Python with the same switches for modules and text as this one, for `clean_environment`.

    Warnings are left out: the program may make errors of its own.

    Raises:
        OSError: there is none; see `has_interpreter`.
    """
    python = _python()
    if python is None:
        raise FileNotFoundError(f"no Python {_VERSION} to start processes with: set sys.executable to its path")
    flags = ["-E"] * bool(sys.flags.ignore_environment) + ["-s"] * bool(sys.flags.no_user_site)
    return [python, "-P", *flags, *["-Xutf8"] * bool(sys.flags.utf8_mode)]


def clean_environment() -> dict[str, str]:
    """Return the environment for a process that is to run nothing of the current folder, nor are its own children."""
    libraries = ":".join(filter(None, os.environ.get(_LIBRARIES, "").split(":")))
    found = {name: os.environ.get(name) for name in os.environ if name != _LIBRARIES}
    kept = {name: value for name, value in found.items() if value is not None}  # others may remove some meanwhile
    return kept | {"PYTHONSAFEPATH": "1"} | ({_LIBRARIES: libraries} if libraries else {})


def spawn(
    module: str, name: str, *, fds: Sequence[int] = (), apart: bool = False
) -> tuple["subprocess.Popen[bytes]", BinaryIO]:
    """Start a process that calls ``module.run(name, pipe)``, and ends with the calling thread at the latest.

    It finds the same modules as this one, except those that only the current folder leads to.

    Args:
        module: name of a module of this package.
        name: text for it, which lists of processes show.
        fds: file descriptors to keep open in the process; the caller closes its own copies.
        apart: whether it gets a session of its own, which signals to this one's group don't reach, and no standard
            input and output.

    Returns:
        The process, and the end of the pipe to write to and close. It raises BrokenPipeError if the process has died.

    Raises:
        OSError: the process can't be started.
    """
    readable, writable = os.pipe()
    nowhere = subprocess.DEVNULL if apart else None
    try:
        process = subprocess.Popen(
            [*interpreter(), "-c", _START, module, name, str(readable)],
            stdin=nowhere,
            stdout=nowhere,
            env=clean_environment(),
            pass_fds=(readable, *fds),
            start_new_session=apart,
        )
    except BaseException:
        os.close(writable)
        raise
    finally:
        os.close(readable)
    with _registering:
        _spawned.add(process)
    pipe = os.fdopen(writable, "wb")
    with suppress(BrokenPipeError):  # as for the caller
        pickle.dump((os.getpid(), [path for path in sys.path if path]), pipe)
    return process, pipe


_registering = threading.Lock()
_spawned: "WeakSet[subprocess.Popen[bytes]]" = WeakSet()


def received(pipe: BinaryIO) -> Any:
    """Return the object that the process which `spawn`ed this one has pickled into the pipe; exit if it never does.

    Raises:
        SystemExit: that process closed the pipe before, as it was stopped meanwhile.
    """
    try:
        return pickle.load(pipe)
    except EOFError:
        sys.exit()


def own_processes() -> set[int]:
    """Return the IDs of the processes that `spawn` has started, and that nobody has waited for yet."""
    with _registering:
        return {process.pid for process in _spawned if process.returncode is None}


_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def _python() -> str | None:
    """Return the path of a Python of this version; ``sys.executable`` may be another program that embeds one."""
    own = [Path(sys.executable)] if Path(sys.executable or "").name.startswith("python") else []
    beside = [Path(prefix, "bin", f"python{_VERSION}") for prefix in (sys.prefix, sys.base_prefix)]
    return next((str(path) for path in (*own, *beside) if os.access(path, os.X_OK)), None)
