"""What operators want of a channel while it runs, and the pictures that they look at.

Whoever runs the channel holds a `Steering`, and a `Line` for each graph; the stages at its ends hold a `StageEnd`.
Light to import: pictures are made smaller, and into JPEG, in the stages' processes (`sr4k.live.thumbnail`).
"""

import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from sr4k.live.thumbnail import Small

log = logging.getLogger(__name__)

End = Literal["in", "out"]
"""An end of a channel: what it receives, and what it sends."""

ENDS: Final = get_args(End)

_LOOK: Final = "look"
"""Message to a stage: send one picture."""

_LARGEST = 1 << 17
"""Maximum length of a message, in bytes, which the kernel takes. A larger picture, of an odd shape, isn't shown."""

_EVERY = 1.0
"""Shortest time in seconds between two pictures of an end."""

_WATCHED = 5.0
"""Seconds after somebody has looked during which pictures are made."""

_FRESH = 10.0
"""Age in seconds up to which a picture is shown."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What operators want of a channel.

    Attributes:
        slate: whether the slate, and silence, is sent in place of the source.
        off: numbers of targets, from 1, that get nothing.
        rung: rung of the ladder to stay at; ``None``: the machine's speed decides.
    """

    slate: bool = False
    off: frozenset[int] = frozenset()
    rung: int | None = None


class Steering:
    """The wishes for a channel, and its latest pictures. Any thread may use it.

    Attributes:
        wishes: they hold for each graph of the channel, also after a restart.
    """

    def __init__(self) -> None:
        self.wishes = Wishes()
        self._changing = threading.Lock()
        self._pictures: dict[End, tuple[float, bytes]] = {}
        self._looked = float("-inf")

    @property
    def is_watched(self) -> bool:
        """Whether somebody has looked within the last seconds."""
        return time.monotonic() - self._looked < _WATCHED

    def change(self, changed: Callable[[Wishes], Wishes]) -> None:
        """Replace the wishes by what ``changed`` makes of them; of two at once, neither is lost."""
        with self._changing:
            self.wishes = changed(self.wishes)

    def look(self, end: End) -> bytes | None:
        """Return the latest picture of an end as JPEG; ``None``: there is none yet, or none of late."""
        self._looked = time.monotonic()
        at, picture = self._pictures.get(end, (float("-inf"), b""))
        return picture if time.monotonic() - at < _FRESH else None

    def show(self, end: End, picture: bytes) -> None:
        """Keep the latest picture of an end, as JPEG."""
        self._pictures[end] = time.monotonic(), picture


class Line:
    """Passes wishes on to the stages of one graph, and takes their pictures; for the thread that runs the graph.

    Each message arrives whole or not at all: a stage that is killed or hangs holds nobody up.

    Args:
        steering: of the channel.
    """

    def __init__(self, steering: Steering) -> None:
        self._steering = steering
        self._sent: Wishes = Wishes()
        self._waiting: set[End] = set()  # for a picture that was asked for
        self._asked = dict.fromkeys(ENDS, float("-inf"))  # when one was asked for
        self._ours: dict[End, socket.socket] = {}
        self._theirs: dict[End, socket.socket] = {}
        for end in ENDS:
            self._ours[end], self._theirs[end] = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def stage_end(self, end: End) -> socket.socket:
        """Return what the stage at an end is given."""
        return self._theirs[end]

    def tend(self) -> None:
        """Do what is due. It never waits: wishes are few, and a picture is asked for when the last one has come."""
        with suppress(OSError):  # a stage has died or hangs, which others notice
            if self._steering.wishes != self._sent:
                self._sent = self._steering.wishes
                for connection in self._ours.values():
                    connection.send(pickle.dumps(self._sent), socket.MSG_DONTWAIT)
            for end, connection in self._ours.items():
                self._look(end, connection)

    def close(self) -> None:
        """Close all ends."""
        for connection in (*self._ours.values(), *self._theirs.values()):
            connection.close()

    def _look(self, end: End, connection: socket.socket) -> None:
        with suppress(BlockingIOError):
            self._steering.show(end, connection.recv(_LARGEST, socket.MSG_DONTWAIT))
            self._waiting.discard(end)
        now = time.monotonic()
        if self._steering.is_watched and end not in self._waiting and now - self._asked[end] >= _EVERY:
            connection.send(pickle.dumps(_LOOK), socket.MSG_DONTWAIT)
            self._asked[end] = now
            self._waiting.add(end)


class StageEnd:
    """A stage's end of the line: hears wishes, and sends small pictures when they are asked for.

    Attributes:
        wishes: the latest.

    Args:
        connection: from `Line.stage_end`; ``None``: nobody steers.
    """

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection
        self._is_asked = False
        self.wishes = Wishes()

    def hear(self) -> bool:
        """Take what has come; return whether there are other wishes. Takes some microseconds."""
        before = self.wishes
        with suppress(OSError):
            while self._connection is not None and (sent := self._connection.recv(_LARGEST, socket.MSG_DONTWAIT)):
                message = pickle.loads(sent)
                if isinstance(message, Wishes):
                    self.wishes = message
                else:
                    self._is_asked = True
        return self.wishes != before

    def show(self, small: "Callable[[], Small]") -> None:
        """Send a picture if one is asked for. ``small`` returns a copy of it; it is encoded in a thread of its own."""
        if not self._is_asked:
            return
        self._is_asked = False
        threading.Thread(target=self._send, args=(small(),), name="thumbnail", daemon=True).start()

    def _send(self, small: "Small") -> None:
        try:
            picture = small.as_jpeg()
        except Exception:
            log.debug("A small picture could not be made", exc_info=True)
            picture = b""  # or no other one would be asked for
        with suppress(OSError):
            assert self._connection is not None
            self._connection.send(picture if len(picture) <= _LARGEST else b"")
