"""A strict reader of an HLS folder: checks every version of a playlist, and each change, against RFC 8216."""

import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_POLL = 0.05
"""Seconds between two reads of the playlist."""


@dataclass(frozen=True)
class Entry:
    """A segment as the playlist lists it."""

    number: int
    name: str
    seconds: float
    discontinuity: bool
    init: str | None
    date: str | None


@dataclass(frozen=True)
class Version:
    """One version of a playlist. ``first``: its media sequence; ``passed``: its discontinuity sequence."""

    target: int
    first: int
    passed: int
    ended: bool
    entries: tuple[Entry, ...]

    @property
    def seconds(self) -> float:
        """Total duration of the listed segments."""
        return sum(entry.seconds for entry in self.entries)


@dataclass
class _Facts:
    numbers: dict[str, int] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False


def parse(text: str) -> Version:
    """Parse a playlist strictly: only the tags that this project writes, in their order.

    Raises:
        ValueError: It is malformed; the message has the line.
    """
    lines = text.splitlines()
    if not text.endswith("\n") or not lines or lines[0] != "#EXTM3U":
        raise ValueError(f"not a playlist: {text[:40]!r}")
    facts, number = _Facts(), 0
    seconds: float | None = None
    discontinuity, init, date = False, None, None
    for line in lines[1:]:
        if facts.ended:
            raise ValueError(f"after the end: {line!r}")
        if match := re.fullmatch(r"#EXT-X-([A-Z-]+):(\d+)", line):
            if match[1] in facts.numbers or facts.entries:
                raise ValueError(f"twice, or too late: {line!r}")
            facts.numbers[match[1]] = int(match[2])
            number = facts.numbers.get("MEDIA-SEQUENCE", 0)
        elif match := re.fullmatch(r"#EXTINF:(\d+\.\d+),", line):
            seconds = float(match[1])
        elif line == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif match := re.fullmatch(r'#EXT-X-MAP:URI="([^"]+)"', line):
            init = match[1]
        elif match := re.fullmatch(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)", line):
            date = match[1]
        elif line == "#EXT-X-ENDLIST":
            facts.ended = True
        elif re.fullmatch(r"[A-Za-z0-9._-]+", line):
            if seconds is None:
                raise ValueError(f"without EXTINF: {line!r}")
            entry = Entry(number + len(facts.entries), line, seconds, discontinuity, init, date)
            facts.entries.append(entry)
            seconds, discontinuity, date = None, False, None
        elif line != "#EXT-X-INDEPENDENT-SEGMENTS":
            raise ValueError(f"unknown: {line!r}")
    numbers = facts.numbers
    if "TARGETDURATION" not in numbers or "MEDIA-SEQUENCE" not in numbers:
        raise ValueError("without EXT-X-TARGETDURATION or EXT-X-MEDIA-SEQUENCE")
    passed = numbers.get("DISCONTINUITY-SEQUENCE", 0)
    return Version(numbers["TARGETDURATION"], numbers["MEDIA-SEQUENCE"], passed, facts.ended, tuple(facts.entries))


class StrictReader:
    """Records what a playlist does wrong. A context manager that reads it continuously; `look` reads it once.

    Attributes:
        faults: Violations in words, each once.
        versions: Number of versions read.
        segments: Every segment that was ever listed, by name, as listed first.
    """

    def __init__(self, playlist: Path) -> None:
        self._playlist = playlist
        self._last: Version | None = None
        self._text = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.faults: list[str] = []
        self.versions = 0
        self.segments: dict[str, Entry] = {}
        self._gone: dict[str, float] = {}  # until when a segment that is no longer listed must stay on disk
        self._longest = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
        self.look()

    @property
    def playlist(self) -> Version:
        """Latest version of the playlist."""
        assert self._last is not None, "there is no playlist"
        return self._last

    def look(self) -> None:
        """Read and check the playlist once."""
        try:
            text = self._playlist.read_text()
        except FileNotFoundError:
            if self._last is not None:
                self._blame("the playlist is gone")
            return
        self._look_for_gone()
        if text == self._text:
            return
        self._text = text
        try:
            version = parse(text)
        except ValueError as err:
            self._blame(str(err))
            return
        self.versions += 1
        self._judge(version)
        if self._last is not None:
            self._compare(self._last, version)
        self._last = version
        self._longest = max(self._longest, version.seconds)

    def _watch(self) -> None:
        while not self._ended.wait(_POLL):
            self.look()

    def _judge(self, version: Version) -> None:
        for entry in version.entries:
            if round(entry.seconds) > version.target:
                self._blame(f"{entry.name} is longer than the target duration: {entry.seconds} > {version.target}")
            for name in (entry.name, entry.init):
                if name is not None and not self._is_whole(name):
                    self._blame(f"{name} is listed, but missing or empty")
            known = self.segments.setdefault(entry.name, entry)
            if known != entry:
                self._blame(f"{entry.name} was {known}, and is {entry}")

    def _compare(self, before: Version, now: Version) -> None:
        if now.target != before.target:
            self._blame(f"the target duration changed from {before.target} to {now.target}")
        if before.ended:
            self._blame("the playlist changed after its end")
        listed = {entry.name for entry in now.entries}
        gone = [entry for entry in before.entries if entry.name not in listed]
        if gone != list(before.entries[: len(gone)]):
            self._blame("a segment in the middle is no longer listed")
        if now.first != before.first + len(gone):
            self._blame(f"{len(gone)} segments removed, but the media sequence went from {before.first} to {now.first}")
        passed = before.passed + sum(entry.discontinuity for entry in gone)
        if now.passed != passed:
            self._blame(f"the discontinuity sequence is {now.passed}, not {passed}")
        if gone and now.seconds < 3 * now.target and not now.ended:
            self._blame(f"less than three target durations are listed: {now.seconds:.1f} s")
        for entry in gone:
            self._gone[entry.name] = time.monotonic() + entry.seconds + self._longest - 2 * _POLL

    def _look_for_gone(self) -> None:
        now = time.monotonic()
        for name, until in list(self._gone.items()):
            if now > until:
                del self._gone[name]
            elif not self._is_whole(name):
                self._blame(f"{name} was deleted {until - now:.1f} s too early")
                del self._gone[name]

    def _is_whole(self, name: str) -> bool:
        path = self._playlist.with_name(name)
        return path.is_file() and path.stat().st_size > 0

    def _blame(self, words: str) -> None:
        if words not in self.faults:
            self.faults.append(words)
