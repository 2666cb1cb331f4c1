"""Turns refusals of the system, such as too little memory or a full disk, into errors that say what to do."""

import errno

from sr4k.errors import MachineError, OptionError, OutputError, Sr4kError

_WORDS = {
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENOMEM: "there is too little memory: free some, or raise its limit (ulimit -v)",
    errno.EAGAIN: "no more processes or threads can be started: raise the limit (ulimit -u, or -v of memory)",
}

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}

_OF_MEMORY = ("failed to map segment", "cannot allocate memory", "bad_alloc", "out of memory")
_OF_THREADS = ("can't start new thread", "resource temporarily unavailable")  # the latter is C++'s


def refusal(error: BaseException) -> Sr4kError | None:
    """Return the error to raise instead if the system refused something; ``None``: it is an error of another kind."""
    number, words = getattr(error, "errno", None), str(error).lower()
    if any(text in words for text in _OF_THREADS):
        number = errno.EAGAIN
    elif isinstance(error, MemoryError) or any(text in words for text in _OF_MEMORY):
        number = errno.ENOMEM
    elif not isinstance(error, OSError):
        return None
    if number in _WORDS:
        return MachineError(f"The system refused a resource: {_WORDS[number]}.")
    name, reason = getattr(error, "filename", None) or "The output", getattr(error, "strerror", None)
    if number == errno.ENAMETOOLONG:
        return OptionError(f"The name {name} is too long for a file: choose a shorter one.")
    if number in _FULL or isinstance(error, BrokenPipeError | PermissionError):
        return OutputError(f"{name} could not be written ({reason}).")
    return None
