"""The files of one HLS target: each segment appears whole or not at all, and the playlist is replaced atomically."""

import errno
import hashlib
import math
import os
import re
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sr4k.errors import OutputError
from sr4k.live.send.hls_playlist import ForeignPlaylistError, Playlist, Segment, read_playlist
from sr4k.live.settings import HlsForm

_LEAST_NUMBER = 10**9
"""Lowest number of a first segment, used if the clock isn't set: ten digits can't be mistaken for ``NAME-2``, a
recording's second part."""

_PLAIN, _ODD = re.compile(r"[A-Za-z0-9._-]{1,200}"), re.compile(r"[^A-Za-z0-9._-]")

_SUFFIXES = {"ts": "ts", "fmp4": "m4s"}


class HlsFolder:
    """Segments and playlist of one target. Continues an earlier playlist: numbers go on, with a discontinuity.

    Attributes:
        stored: bytes of segments that were listed so far.
        is_resumed: whether files of an earlier run were found.

    Args:
        path: the playlist. Its folder is created if it is missing.
        form: container and target duration of the segments.

    Raises:
        OutputError: another target writes there, or the playlist was not written by this program.
        OSError: the folder can't be created or read.
    """

    def __init__(self, path: Path, form: HlsForm) -> None:
        self._path, self._suffix = path, _SUFFIXES[form.kind]
        path.parent.mkdir(parents=True, exist_ok=True)
        self._claim = _claimed(path)
        self._base = _fit_for_urls(path.stem)
        base = re.escape(self._base)
        self._ours = re.compile(rf"\.?{base}-(?:init-)?(\d{{10,}})\.(?:ts|m4s|mp4)(\.part)?")
        self._retired: deque[tuple[float, str]] = deque()  # (time until which a delisted file must stay, its name)
        self._init: str | None = None
        self._served: set[str] = set()  # files that the playlist on the disk names
        self.stored = 0
        self._list = self._resumed(form)
        highest = self._collect_leftovers()
        self.is_resumed = max(highest, self._list.following) > 0
        if not self._list.following:
            self._list = replace(self._list, following=max(_LEAST_NUMBER, int(time.time()), highest + 1))

    def add(self, data: bytes, init: bytes, seconds: float, begins: float, *, discontinuity: bool) -> None:
        """Store a segment, then list it; on a full disk once more, after deleting what the playlist can spare.

        Args:
            data: the segment.
            init: its init section (fragmented MP4), or nothing.
            seconds: its duration.
            begins: when its first picture was received, as a Unix time.
            discontinuity: whether it doesn't continue the segment before it.

        Raises:
            OSError: it can't be written; the playlist is as before.
        """
        self._sweep(time.time())
        try:
            self._add(data, init, seconds, begins, discontinuity=discontinuity)
        except OSError as err:
            if err.errno != errno.ENOSPC:
                raise
            self._make_room()
            self._add(data, init, seconds, begins, discontinuity=discontinuity)

    def _add(self, data: bytes, init: bytes, seconds: float, begins: float, *, discontinuity: bool) -> None:
        number, longest = self._list.following, max(self._list.target, round(seconds))
        if init and self._init is None:
            self._init = f"{self._base}-init-{number:06d}.mp4"
            self._put(self._init, init)
        name = f"{self._base}-{number:06d}.{self._suffix}"
        self._put(name, data)
        segment = Segment(number, name, round(seconds, 3), begins, self._init, discontinuity)
        try:
            self._change(replace(self._list, target=longest).with_next(segment))
        except OSError:
            self._path.with_name(name).unlink(missing_ok=True)  # free its disk space for the playlist
            raise
        self.stored += len(data)

    def end(self) -> None:
        """Mark the playlist as ended (``EXT-X-ENDLIST``)."""
        if self._list.segments:
            self._change(replace(self._list, ended=True))

    def close(self) -> None:
        """Release the claim on the playlist: another target may write there."""
        self._claim.close()

    def _resumed(self, form: HlsForm) -> Playlist:
        """Read the playlist on the disk, without the segments that can't be continued from."""
        try:
            text = self._path.read_text("utf-8", errors="replace")
            names = re.compile(rf"(?:{re.escape(self._path.stem)}|{re.escape(self._base)})-\d+\.(?:ts|m4s)")
            found = read_playlist(text, names)
        except FileNotFoundError:
            found = None
        except ForeignPlaylistError:
            raise OutputError(
                f"{self._path} is not a playlist that sr4k-stream wrote: remove it, or choose another name."
            ) from None
        if found is None:
            return Playlist(form.longest)
        self._served = _files(found)
        missing = [k for k, segment in enumerate(found.segments, 1) if not self._is_there(segment)]
        is_other = any(not segment.name.endswith(self._suffix) for segment in found.segments)
        lost = len(found.segments) if found.ended or is_other else max(missing, default=0)
        return replace(found.without(lost), target=max(found.target, form.longest), ended=False)

    def _is_there(self, segment: Segment) -> bool:
        return all(
            (path := self._path.with_name(name)).is_file() and path.stat().st_size
            for name in (segment.name, segment.init)
            if name is not None
        )

    def _change(self, following: Playlist) -> None:
        """Write the next version of the playlist; files it no longer lists stay for clients that have an older one.

        Their modification times record when they were delisted, for a run that continues from here.
        """
        listed = _files(following)
        leaving = self._served - listed
        for name in leaving:
            with suppress(OSError):
                os.utime(self._path.with_name(name))
        self._put(self._path.name, following.text().encode())
        self._list, self._served = following, listed
        until = time.time() + following.kept
        self._retired += [(until, name) for name in leaving]

    def _make_room(self) -> None:
        """Free disk space: list no more than RFC 8216 requires, and delete all else. Viewers need new segments more."""
        self._sweep(math.inf)
        with suppress(OSError):
            self._change(self._list.within(0.0))
        self._sweep(math.inf)

    def _sweep(self, now: float) -> None:
        """Delete delisted files whose time is over at ``now``, a Unix time."""
        listed = _files(self._list)
        for _ in range(len(self._retired)):
            until, name = self._retired.popleft()
            if until > now:
                self._retired.append((until, name))
            elif name not in listed and name != self._init:
                self._path.with_name(name).unlink(missing_ok=True)

    def _collect_leftovers(self) -> int:
        """Schedule files of an earlier run that aren't listed for deletion; return the highest number found, or 0."""
        listed, highest, now = self._served, 0, time.time()
        for path in self._path.parent.iterdir():
            if (found := self._ours.fullmatch(path.name)) is None:
                continue
            highest = max(highest, int(found[1]))
            if path.name not in listed:
                with suppress(FileNotFoundError):
                    stays = min(now, path.stat().st_mtime) + self._list.kept
                    self._retired.append((0.0 if found[2] else stays, path.name))
        return highest

    def _put(self, name: str, data: bytes) -> None:
        """Write a file atomically: it gets its name when all of it is on the disk."""
        part = self._path.with_name(f".{name}.part")
        part.unlink(missing_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path.with_name(name))
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def _fit_for_urls(stem: str) -> str:
    """Return the base name of segments: the playlist's stem, with characters that are special in URLs replaced."""
    if _PLAIN.fullmatch(stem):
        return stem
    return f"{_ODD.sub('_', stem)[:60]}-{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}"


def _files(listed: Playlist) -> set[str]:
    return {name for segment in listed.segments for name in _files_of(segment)}


def _files_of(segment: Segment) -> tuple[str, ...]:
    return (segment.name,) if segment.init is None else (segment.name, segment.init)


def _claimed(path: Path) -> socket.socket:
    """Claim the playlist for this process by an abstract socket, which the kernel releases however the process ends.

    Raises:
        OutputError: another target holds the claim.
    """
    place = hashlib.sha256(os.fsencode(path.parent.resolve() / path.stem)).hexdigest()
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0sr4k-hls-{place[:40]}")
    except OSError:
        claim.close()
        raise OutputError(f"Another target writes to {path} already: choose another name.") from None
    return claim
