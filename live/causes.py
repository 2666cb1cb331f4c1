"""What an error of libav's means, where that is the same for sources and targets."""

from sr4k.media.writing.write_errors import FULL


def cause(error: Exception) -> str:
    """In the user's words, and without the address: libav's own texts hold it whole."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return "the connection broke off"
    if getattr(error, "errno", None) in FULL:
        return "the disk is full"
    text = getattr(error, "strerror", None)
    return text if isinstance(text, str) and "://" not in text else type(error).__name__
