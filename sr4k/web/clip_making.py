"""Clips that are being made, one try at a time, each in a process of its own, and those that were made last."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sr4k.errors import Sr4kError, StoppedError
from sr4k.queue.errand import in_telling_child
from sr4k.web.shelf import Shelf, discard

_SECONDS = 1800.0
"""Most seconds that the clips of one try may take."""

_KEPT = 6
"""Tries whose clips are kept; the oldest go first."""


@dataclass(slots=True)
class Clips:
    """The clips of one try.

    Attributes:
        names: what each is made by.
        folder: that they are in, as ``NAME.mp4``.
        state: how it stands; ``error``: why it failed.
        share: how much is done, 0 to 1.
        about: what is known of them once they are made; see `sr4k.web.clip_writing`.
    """

    names: list[str]
    folder: Path
    state: Literal["making", "made", "failed"] = "making"
    share: float = 0.0
    error: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    given_up: threading.Event = field(default_factory=threading.Event)


class ClipMaking:
    """Makes clips. A new try ends the one that is being made: each takes all CPUs. Any thread may use it.

    Args:
        home: folder for their folders.
    """

    def __init__(self, home: Path) -> None:
        self._shelf = Shelf[Clips](home, _KEPT)
        self._beginning, self._making = threading.Lock(), threading.Lock()

    def begin(self, names: list[str], function: Callable[..., Any], *args: Any) -> str:
        """Begin to make clips, and return the number of the try; the function gets the folder as its last argument."""
        number = secrets.token_hex(8)
        clips = Clips(names, self._shelf.new_folder())
        with self._beginning:
            for other in self._shelf.all():
                other.given_up.set()
            self._shelf.put(number, clips.folder, clips)
        # The process ends with this thread, and so with ours.
        threading.Thread(target=self._make, args=(clips, function, args), name="sr4k-clips", daemon=True).start()
        return number

    def get(self, number: str) -> Clips | None:
        """Return the clips of a try; ``None``: they are gone."""
        made = self._shelf.get(number)
        return None if made is None else made.about

    def give_up(self, number: str) -> None:
        """Stop making the clips of a try, and forget them."""
        clips = self._shelf.forget(number)
        if clips is not None:
            clips.given_up.set()

    def _make(self, clips: Clips, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        def heard(news: dict[str, Any]) -> None:
            clips.share = news["share"]

        with self._making:
            try:
                clips.about = in_telling_child(
                    function,
                    *args,
                    str(clips.folder),
                    seconds=_SECONDS,
                    heard=heard,
                    is_over=clips.given_up.is_set,
                )
                clips.state = "made"
            except StoppedError:
                clips.error, clips.state = "Another try has taken its place.", "failed"
                discard(clips.folder)  # once more, as its process may have gone on writing
            except Sr4kError as err:
                clips.error, clips.state = str(err), "failed"
