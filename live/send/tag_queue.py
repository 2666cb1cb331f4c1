"""The queue of one target: bounded by age, and always starting with a key frame."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence

from sr4k.live.send.flv import Kind, Tag

_HEAD: tuple[Kind, ...] = ("script", "video", "audio")

_EARLY = 16
"""Maximum number of sound tags that may belong to a picture that comes later: 0.3 s, more than the playout's lead."""


class TagQueue:
    """Tags of one stream that wait to be sent to one target. No method blocks.

    Sound may come before the picture of its time. What belongs to the key frame, or to later pictures, then follows it.

    Attributes:
        dropped: tags that were discarded.

    Args:
        age: seconds after which a tag is discarded.
        wants_key: called to request a key frame.
    """

    def __init__(self, age: float, wants_key: Callable[[], None]) -> None:
        self._age, self._wants_key = age, wants_key
        self._lock = threading.Lock()
        self._tags: deque[tuple[float, Tag]] = deque()
        self._early: deque[Tag] = deque(maxlen=_EARLY)  # the last sound before the first key frame
        self._head: dict[Kind, bytes] = {}
        self._header = b""
        self._is_open = self._keyed = False
        self.dropped = 0

    def offer(self, header: bytes, tags: Sequence[Tag]) -> None:
        """Append tags if the queue is open; ``header``: the FLV file header of their stream."""
        now = time.monotonic()
        with self._lock:
            self._header = header
            for tag in tags:
                if tag.config or tag.kind == "script":
                    self._head[tag.kind] = tag.data
                elif self._is_open:
                    self._append(now, tag)

    def open(self) -> None:
        """Empty the queue, and keep tags from the next key frame on."""
        with self._lock:
            self._clear()
            self._is_open, self._keyed = True, False
        self._wants_key()

    def rewind(self) -> None:
        """Discard tags up to the next key frame: a new process can't decode from the middle of a GOP."""
        with self._lock:
            self._cut(-math.inf)
            if self._tags:
                return
        self._wants_key()

    def close(self) -> None:
        """Empty the queue, and keep no tags until `open`."""
        with self._lock:
            self._clear()
            self._is_open = False

    def head(self) -> bytes:
        """Return the stream's head: FLV header, metadata and decoder configurations."""
        with self._lock:
            return b"".join([self._header, *(self._head[kind] for kind in _HEAD if kind in self._head)])

    def take(self) -> Tag | None:
        """Remove and return the next tag that isn't too old; ``None`` if there is none."""
        with self._lock:
            self._shorten(time.monotonic())
            return self._tags.popleft()[1] if self._tags else None

    @property
    def waiting(self) -> float:
        """Seconds that the oldest tag has waited."""
        with self._lock:
            return time.monotonic() - self._tags[0][0] if self._tags else 0.0

    def __bool__(self) -> bool:
        return bool(self._tags)

    def _clear(self) -> None:
        self._tags.clear()
        self._early.clear()

    def _append(self, now: float, tag: Tag) -> None:
        if self._keyed:
            self._tags.append((now, tag))
        elif tag.key:
            self._keyed = True
            self._begin((now, tag), self._early)
            self._early.clear()
        else:
            self._set_aside(tag)
        self._shorten(now)

    def _shorten(self, now: float) -> None:
        """Discard tags that are too old, and those up to the next key frame, where a decoder can resume."""
        if not self._tags or now - self._tags[0][0] <= self._age:
            return
        self._cut(now - self._age)
        if not self._tags:
            self._wants_key()

    def _cut(self, since: float) -> None:
        """Discard tags up to the next key frame that was offered at ``since`` or later."""
        cut = []
        while self._tags and not (self._tags[0][1].key and self._tags[0][0] >= since):
            cut.append(self._tags.popleft()[1])
        if self._tags:
            self._begin(self._tags.popleft(), cut)
        else:
            self._keyed = False
            for tag in cut:
                self._set_aside(tag)

    def _set_aside(self, tag: Tag) -> None:
        """Discard a tag before the next key frame, unless it is sound that may belong to that."""
        self.dropped += tag.kind != "audio" or len(self._early) == _EARLY
        if tag.kind == "audio":
            self._early.append(tag)

    def _begin(self, key: tuple[float, Tag], earlier: Collection[Tag]) -> None:
        """Put a key frame, and the sound before it that isn't older, at the head of the queue."""
        now, picture = key
        kept = [tag for tag in earlier if tag.kind == "audio" and tag.time >= picture.time]
        self._tags.extendleft((now, tag) for tag in [*reversed(kept), picture])
        self.dropped += len(earlier) - len(kept)
