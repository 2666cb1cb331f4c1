"""Confinement with Landlock (Linux 5.13 and later): a process may read its user's files, and not change them.

The kernel's interface (``linux/landlock.h``) is called directly: no library is needed.
"""

import ctypes
import os
import struct
from collections.abc import Sequence
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_BENEATH_PATH = 1

_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
_ON_FILES = {
    1: _EXECUTE | _WRITE_FILE | sum(1 << bit for bit in range(4, 13)),  # removing, and making of every kind
    2: 1 << 13,  # moving or linking to another folder
    3: 1 << 14,  # truncating
    5: 1 << 15,  # commands to devices
}
"""File rights to revoke, by the version of the interface that introduced them. Reading is not revoked."""

_BIND_TCP = 1 << 0  # since version 4
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1  # since version 6: to processes outside the sandbox

_LOADER = 3
"""Type of the ELF program header that names the loader (``PT_INTERP``)."""


def version() -> int:
    """Return the version of the kernel's Landlock interface; 0 if it has none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))


def forbid_changes(programs: Sequence[str] = ()) -> None:
    """Forbid this thread and its children, irrevocably, to create, change, move, remove or run any file.

    Where the kernel is new enough, sending signals to other processes and listening on TCP ports are forbidden as well;
    without Landlock nothing is. Files that are open stay usable. Modes and owners of files can still be changed.

    Args:
        programs: paths of programs that may be run nevertheless.

    Raises:
        OSError: the kernel refuses, or a program does not exist.
    """
    known = version()
    if not known:
        return
    rights = sum(right for since, right in _ON_FILES.items() if known >= since)
    attributes = [rights]
    if known >= 4:
        attributes.append(_BIND_TCP)
    if known >= 6:
        attributes.append(_ABSTRACT_SOCKETS | _SIGNALS)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _checked(_call(_CREATE_RULESET, packed, len(packed), 0))
    try:
        _allow(ruleset, "/dev/null", _WRITE_FILE)
        for program in programs:
            for path in (program, *_needed_by(program)):
                _allow(ruleset, path, _EXECUTE)
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, right: int) -> None:
    where = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _checked(_call(_ADD_RULE, ruleset, _BENEATH_PATH, struct.pack("=Qi", right, where), 0))
    finally:
        os.close(where)


def _needed_by(program: str) -> Sequence[str]:
    """Return what a program executes: the loader that an ELF file names; for a script ``/``, meaning any program."""
    with Path(program).open("rb") as file:
        header = file.read(64)
        if not header.startswith(b"\x7fELF\x02"):
            return ["/"]
        (table,), (size, count) = struct.unpack_from("=Q", header, 32), struct.unpack_from("=HH", header, 54)
        for number in range(count):
            file.seek(table + number * size)
            kind, _, offset, _, _, length = struct.unpack("=IIQQQQ", file.read(40))
            if kind == _LOADER:
                file.seek(offset)
                return [os.fsdecode(file.read(length).rstrip(b"\0"))]
    return []


def _call(number: int, *arguments: object) -> int:
    """Make a system call and return its result, -1 if it failed."""
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *passed))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock")
    return result


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
