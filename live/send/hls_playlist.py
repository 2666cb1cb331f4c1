"""A media playlist of HLS, and what may become of it; RFC 8216, 4.3 and 6.2."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

_VERSION = 6
"""The lowest that knows EXT-X-MAP in a list like this."""

WINDOW = 12.0
"""Seconds that are listed at least, beside three target durations (6.2.2)."""


class ForeignPlaylistError(Exception):
    """It was not made here."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    Attributes:
        number: its media sequence number.
        name: of its file.
        seconds: its duration.
        begins: when its first picture was taken in, seconds since 1970.
        init: the file of its init section, of fragmented MP4.
        discontinuity: whether it does not go on where the one before it ended.
    """

    number: int
    name: str
    seconds: float
    begins: float
    init: str | None = None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Playlist:
    """One version of a list. ``passed``: discontinuities of segments that are no longer listed."""

    target: int
    segments: tuple[Segment, ...] = ()
    passed: int = 0
    following: int = 0
    ended: bool = False

    @property
    def kept(self) -> float:
        """Seconds that a segment must stay when it is no longer listed: its own, and those of the longest list."""
        return max(WINDOW, 3 * self.target) + 2 * self.target + 2

    @property
    def seconds(self) -> float:
        """Of all that is listed."""
        return sum(segment.seconds for segment in self.segments)

    def with_next(self, segment: Segment) -> "Playlist":
        """One segment more, and those less that may go."""
        return replace(self, segments=(*self.segments, segment), following=segment.number + 1).within(WINDOW)

    def without(self, count: int) -> "Playlist":
        """The first ``count`` are no longer listed."""
        gone = sum(segment.discontinuity for segment in self.segments[:count])
        return replace(self, segments=self.segments[count:], passed=self.passed + gone)

    def within(self, seconds: float) -> "Playlist":
        """No more than must be listed: so many seconds, or three target durations."""
        least, left, count = max(seconds, 3 * self.target), self.seconds, 0
        for segment in self.segments:
            left = round(left - segment.seconds, 3)
            if left < least:
                break
            count += 1
        return self.without(count)

    def text(self) -> str:
        """What is served."""
        return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        yield "#EXTM3U"
        yield f"#EXT-X-VERSION:{_VERSION}"
        yield f"#EXT-X-TARGETDURATION:{self.target}"
        yield f"#EXT-X-MEDIA-SEQUENCE:{self.segments[0].number if self.segments else self.following}"
        yield f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.passed}"
        yield "#EXT-X-INDEPENDENT-SEGMENTS"
        init = None
        for segment in self.segments:
            if segment.discontinuity:
                yield "#EXT-X-DISCONTINUITY"
            if segment.init not in (None, init):
                init = segment.init
                yield f'#EXT-X-MAP:URI="{init}"'
            yield f"#EXT-X-PROGRAM-DATE-TIME:{_in_words(segment.begins)}"
            yield f"#EXTINF:{segment.seconds:.3f},"
            yield segment.name
        if self.ended:
            yield "#EXT-X-ENDLIST"


@dataclass
class _Reading:
    """What was read so far of a list."""

    numbers: dict[str, int] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    ended: bool = False
    init: str | None = None
    begins: float = 0.0
    seconds: float | None = None
    discontinuity: bool = False


_NUMBERS = ("#EXT-X-TARGETDURATION:", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-DISCONTINUITY-SEQUENCE:")


def read_playlist(text: str, names: "re.Pattern[str]") -> Playlist | None:
    """A list made here before; ``None``: there was nothing in it yet, or it was cut off.

    Args:
        text: of the file.
        names: what its segments are called.

    Raises:
        ForeignPlaylistError: it lists something else, or is no playlist.
    """
    if not text.strip("\0 \r\n"):
        return None
    if not text.startswith("#EXTM3U"):
        raise ForeignPlaylistError
    found = _Reading()
    for line in text.splitlines():
        try:
            _read_line(line.strip(), found, names)
        except ValueError:
            return None
    target, first, passed = (found.numbers.get(tag) for tag in _NUMBERS)
    if target is None or first is None:
        return None
    segments = tuple(replace(segment, number=first + k) for k, segment in enumerate(found.segments))
    return Playlist(target, segments, passed or 0, first + len(segments), found.ended)


def _read_line(line: str, found: _Reading, names: "re.Pattern[str]") -> None:
    for tag in _NUMBERS:
        if line.startswith(tag):
            found.numbers[tag] = int(line.removeprefix(tag))
    if line == "#EXT-X-ENDLIST":
        found.ended = True
    elif line == "#EXT-X-DISCONTINUITY":
        found.discontinuity = True
    elif line.startswith("#EXT-X-MAP:"):
        found.init = line.partition('URI="')[2].partition('"')[0] or None
    elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
        found.begins = datetime.fromisoformat(line.partition(":")[2]).timestamp()
    elif line.startswith("#EXTINF:"):
        found.seconds = float(line.partition(":")[2].partition(",")[0])
    elif line and not line.startswith("#"):
        if not names.fullmatch(line):
            raise ForeignPlaylistError
        if found.seconds is not None:
            found.segments.append(Segment(0, line, found.seconds, found.begins, found.init, found.discontinuity))
        found.seconds, found.discontinuity = None, False


def _in_words(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
