"""What a process may do to the files of its user: only read them, where the kernel has Landlock (Linux 5.13 and later).

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
"""Rights that a version of the interface brought. Reading is not among those that are taken."""

_BIND_TCP = 1 << 0  # since version 4
_ABSTRACT_SOCKETS, _SIGNALS = 1 << 0, 1 << 1  # since version 6: those of processes outside

_LOADER = 3
"""Type of the part of an ELF file that names what loads it."""


def version() -> int:
    """Of the interface that this kernel has; 0 if none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))


def forbid_changes(programs: Sequence[str] = ()) -> None:
    """For good, of this thread and all that it will start: no file may be made, changed, moved or removed, none run.

    Nor may it send signals to others, or listen on TCP ports, where the kernel is new enough for that; without Landlock
    nothing is forbidden. Files that are open stay as they are. Modes and owners of files can still be changed.

    Args:
        programs: paths of those that may be run nevertheless.

    Raises:
        OSError: the kernel refuses, or a program is not there.
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
    told = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _checked(_call(_CREATE_RULESET, told, len(told), 0))
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
    """What is run with it: the loader that an ELF file names; of a script, whatever it may be."""
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
    """A system call; -1 if it failed."""
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(_libc.syscall(ctypes.c_long(number), *passed))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock")
    return result


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
