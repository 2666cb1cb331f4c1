"""The queue of one target: bounded by age, and always starting with a key frame."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from sr4k.live.send.flv import Kind, Tag

_HEAD: tuple[Kind, ...] = ("script", "video", "audio")


class TagQueue:
    """Tags of one stream that wait to be sent to one target. No method blocks.

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
            self._tags.clear()
            self._is_open, self._keyed = True, False
        self._wants_key()

    def rewind(self) -> None:
        """Discard tags up to the next key frame: a new process can't decode from the middle of a GOP."""
        with self._lock:
            while self._tags and not self._tags[0][1].key:
                self._tags.popleft()
                self.dropped += 1
            if self._tags:
                return
            self._keyed = False
        self._wants_key()

    def close(self) -> None:
        """Empty the queue, and keep no tags until `open`."""
        with self._lock:
            self._tags.clear()
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

    def _append(self, now: float, tag: Tag) -> None:
        if not self._keyed and not tag.key:
            self.dropped += 1
            return
        self._keyed = True
        self._tags.append((now, tag))
        self._shorten(now)

    def _shorten(self, now: float) -> None:
        """Discard tags that are too old, and those up to the next key frame, where a decoder can resume."""
        if not self._tags or now - self._tags[0][0] <= self._age:
            return
        count = len(self._tags)
        while self._tags and not (self._tags[0][1].key and now - self._tags[0][0] <= self._age):
            self._tags.popleft()
        self.dropped += count - len(self._tags)
        if not self._tags:
            self._keyed = False
            self._wants_key()
