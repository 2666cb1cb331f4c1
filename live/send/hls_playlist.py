"""Write, shorten and read back a media playlist of HLS; RFC 8216, 4.3 and 6.2."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

_VERSION = 6
"""Lowest protocol version with EXT-X-MAP in a playlist that isn't I-frames only."""

WINDOW = 12.0
"""Seconds that are listed at least; never fewer than three target durations (6.2.2)."""


class ForeignPlaylistError(Exception):
    """The playlist was not written by this program."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One media segment.

    Attributes:
        number: media sequence number.
        name: file name.
        seconds: duration.
        begins: when its first picture was received, as a Unix time.
        init: file name of its init section, for fragmented MP4.
        discontinuity: whether it doesn't continue the segment before it.
    """

    number: int
    name: str
    seconds: float
    begins: float
    init: str | None = None
    discontinuity: bool = False


@dataclass(frozen=True, slots=True)
class Playlist:
    """One version of a playlist.

    Attributes:
        target: target duration, in seconds.
        segments: the listed segments, in order.
        passed: discontinuities of segments that are no longer listed (EXT-X-DISCONTINUITY-SEQUENCE).
        following: number of the next segment.
        ended: whether no segment will follow.
    """

    target: int
    segments: tuple[Segment, ...] = ()
    passed: int = 0
    following: int = 0
    ended: bool = False

    @property
    def kept(self) -> float:
        """Seconds to keep a delisted segment: its duration plus that of the longest playlist that listed it (6.2.2)."""
        return max(WINDOW, 3 * self.target) + 2 * self.target + 2

    @property
    def seconds(self) -> float:
        """Total duration of the listed segments, in seconds."""
        return sum(segment.seconds for segment in self.segments)

    def with_next(self, segment: Segment) -> "Playlist":
        """Return the playlist with one segment more, without those that may be delisted."""
        return replace(self, segments=(*self.segments, segment), following=segment.number + 1).within(WINDOW)

    def without(self, count: int) -> "Playlist":
        """Return the playlist without its first ``count`` segments."""
        gone = sum(segment.discontinuity for segment in self.segments[:count])
        return replace(self, segments=self.segments[count:], passed=self.passed + gone)

    def within(self, seconds: float) -> "Playlist":
        """Return the shortest playlist that lists at least ``seconds`` and three target durations."""
        least, left, count = max(seconds, 3 * self.target), self.seconds, 0
        for segment in self.segments:
            left = round(left - segment.seconds, 3)
            if left < least:
                break
            count += 1
        return self.without(count)

    def text(self) -> str:
        """Return the playlist file's text."""
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
    """State of the parser between two lines."""

    numbers: dict[str, int] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    ended: bool = False
    init: str | None = None
    begins: float = 0.0
    seconds: float | None = None
    discontinuity: bool = False


_NUMBERS = ("#EXT-X-TARGETDURATION:", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-DISCONTINUITY-SEQUENCE:")


def read_playlist(text: str, names: "re.Pattern[str]") -> Playlist | None:
    """Parse a playlist that this program wrote; ``None`` if it is empty or cut off.

    Args:
        text: contents of the file.
        names: pattern of its segments' file names.

    Raises:
        ForeignPlaylistError: it isn't a playlist, or lists other files.
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
