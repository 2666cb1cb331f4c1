"""The errors that libav logs, which say more than the exception that follows them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import av.logging


@contextmanager
def libav_errors() -> Iterator[list[tuple[int, str, str]]]:
    """Collect libav's lines on errors in this thread, for `cause_of`."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as lines:
            yield lines
    finally:
        av.logging.set_level(before)


def cause_of(err: Exception, lines: Sequence[tuple[int, str, str]]) -> str:
    """Return the first error that libav logged; its exception holds only the last consequence."""
    logged = next((text.strip() for level, _, text in lines if level <= av.logging.ERROR), None)
    return logged or " ".join((getattr(err, "strerror", None) or str(err) or type(err).__name__).split())
