"""What the machine refuses, in the user's words: no bug, though nobody has foreseen where it would be."""

import errno

from sr4k.errors import MachineError, OptionError, OutputError, Sr4kError

_WORDS = {
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENOMEM: "there is too little memory: free some, or raise its limit (ulimit -v)",
    errno.EAGAIN: "no more processes or threads can be started: raise the limit (ulimit -u)",
}

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

_OF_MEMORY = ("failed to map segment", "cannot allocate memory", "can't start new thread", "bad_alloc", "out of memory")


def refusal(error: BaseException) -> Sr4kError | None:
    """The error to tell instead, where it is the machine that refuses something; ``None``: it is something else."""
    number, words = getattr(error, "errno", None), str(error).lower()
    if isinstance(error, MemoryError) or any(text in words for text in _OF_MEMORY):
        number = errno.EAGAIN if "thread" in words else errno.ENOMEM
    elif not isinstance(error, OSError):
        return None
    if number in _WORDS:
        return MachineError(f"The machine refuses what is needed: {_WORDS[number]}.")
    name, reason = getattr(error, "filename", None) or "What was to be told", getattr(error, "strerror", None)
    if number == errno.ENAMETOOLONG:
        return OptionError(f"The name {name} is too long for a file: choose a shorter one.")
    if number in _FULL or isinstance(error, BrokenPipeError | PermissionError):
        return OutputError(f"{name} could not be written ({reason}).")
    return None
