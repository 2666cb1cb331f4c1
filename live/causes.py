"""Wording of those libav errors that mean the same for sources and targets."""

from sr4k.media.writing.write_errors import FULL


def cause(error: Exception) -> str:
    """Return the cause of an error in plain words, without the address: libav's own messages contain all of it."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return "the connection broke off"
    if getattr(error, "errno", None) in FULL:
        return "the disk is full"
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and "://" not in text else type(error).__name__
