"""Pictures of a caller's iterable, in runs of one kind."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from sr4k.memory.given import Given, Kind

T = TypeVar("T")


class Feed:
    """An iterable's pictures, none of which is taken before it is needed.

    Attributes:
        error: what ended it early: raised by the iterable, or by the check of a picture.

    Args:
        frames: what the caller gives.
        checked: makes a picture of one of them, and raises what is wrong with it.
    """

    def __init__(self, frames: Iterable[T], checked: Callable[[T], Given]) -> None:
        self._pictures = map(checked, frames)
        self._next: Given | None = None
        self.error: Exception | None = None

    @property
    def kind(self) -> Kind | None:
        """Kind of the next picture; ``None`` at the end."""
        if self._next is None and self.error is None:
            try:
                self._next = next(self._pictures, None)
            except Exception as err:  # for the caller, who first gets what came before it
                self.error = err
        return self._next.kind if self._next is not None else None

    def of(self, kind: Kind) -> Iterator[Given]:
        """Yield the pictures up to one of another kind."""
        while self.kind == kind and (picture := self._next) is not None:
            self._next = None
            yield picture
