"""HLS: what a playlist leads to is opened here, so that each server proves who it is.

libav's own demuxer opens segments, keys, other playlists and every reload without the options of TLS that it was given:
no certificate is checked. It asks this instead. Playlists are fetched by Python, which tells where a redirection led;
all else by libav once more, with all its options.
"""

import errno
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from urllib.parse import urljoin, urlsplit

import av
from av.container import InputContainer
from av.error import FFmpegError

from sr4k.live.receive.http_client import SCHEMES, Web
from sr4k.live.tls import distrusted

_PIECE = "32768"
"""Bytes of a segment that are read at once, at most."""

_MOST_PLAYLISTS = 256
"""That a list of playlists may lead to: libav opens them all."""

_LONGEST_OPENING = 30.0
"""Seconds that playlists may be fetched before the stream is open."""

_START = "#EXTM3U"
_OF_PLAYLISTS = re.compile("^#EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF):", re.MULTILINE)
"""What a list of playlists has, and one of segments has not."""

_REFERENCE = re.compile(r'^[^#\s].*|(?<=URI=")[^"\n]+', re.MULTILINE)
_ENCRYPTED = re.compile(r"^crypto[+:]")


class Readable(Protocol):
    """What libav reads from."""

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        ...

    def close(self) -> None: ...


class _EndlessError(ValueError):
    """Playlists that lead to playlists without an end; says so in words."""


class Fetcher:
    """Opens what an HLS demuxer asks for: to be given to `av.open` as ``io_open``.

    Nothing is raised into libav, which goes on with the next segment: what can't be had is empty. Once a certificate
    was refused, or playlists lead on for ever, nothing more can be had.

    Args:
        playlist: where it begins.
        options: of libav, for all that it opens: of TLS, protocols allowed, timeouts.
        timeout: seconds to open something, and to read on.

    Attributes:
        refused: why nothing more can be had, in words.
        is_open: whether the demuxer has all that it needs; to be set.
        error: what went wrong last.
        is_playlist: whether what it begins with is one.
    """

    def __init__(self, playlist: str, options: dict[str, str], timeout: tuple[float, float]) -> None:
        self._options, self._timeout = options, timeout
        self._web = Web()
        self._playlists, self._host = {playlist}, urlsplit(playlist).hostname
        self.refused: str | None = None
        self.error: Exception | None = None
        self.is_playlist = self.is_open = False
        self._begun, self._leads_on = time.monotonic(), False

    def __call__(self, url: str, _flags: int, options: dict[str, str]) -> Readable:
        """A playlist, segment or key."""
        if self.refused is not None or urlsplit(_ENCRYPTED.sub("", url)).scheme not in SCHEMES:
            return _Nothing()
        try:
            return _Text(self._playlist(url)) if url in self._playlists else self._bytes(url, options)
        except _EndlessError as err:
            self.error, self.refused = err, str(err)
        except (OSError, FFmpegError, ValueError) as err:
            self.error, self.refused = err, self._distrust(url, err)
        return _Nothing()

    def _bytes(self, url: str, options: dict[str, str]) -> Readable:
        cookies = self._web.cookies(_ENCRYPTED.sub("", url))
        told = options | self._options | {"raw_packet_size": _PIECE, "cookies": cookies}
        container: InputContainer = av.open(url, format="data", options=told, timeout=self._timeout)
        return _Bytes(container, self._note)

    def _playlist(self, url: str) -> bytes:
        """Its text. Addresses in it are made whole where libav could not: it does not know of redirections.

        Those of other playlists are as well, to be known again.
        """
        if not self.is_open and time.monotonic() - self._begun > _LONGEST_OPENING:
            raise _EndlessError(f"its playlists were not there within {_LONGEST_OPENING:.0f} s")
        text, base = self._web.text(url)
        self.is_playlist = self.is_playlist or text.startswith(_START)
        leads_on = _OF_PLAYLISTS.search(text) is not None
        if leads_on or base != url:
            text = _REFERENCE.sub(lambda found: _whole(found[0].strip(), base), text)
        if leads_on:
            self._lead_on(_REFERENCE.findall(text))
        return text.encode()

    def _lead_on(self, references: list[str]) -> None:
        """To playlists of segments, which is where it ends (RFC 8216, 4.3.4): libav would follow a ring for ever."""
        if self._leads_on:
            raise _EndlessError("its playlist of playlists leads to another of that kind, or to itself")
        if len(references) > _MOST_PLAYLISTS:
            raise _EndlessError(f"its playlist leads to too many others ({len(references)})")
        self._leads_on = True
        self._playlists.update(references)

    def _distrust(self, url: str, error: Exception) -> str | None:
        """What is said of a certificate, if that is what was wrong; libav doesn't tell."""
        bare = _ENCRYPTED.sub("", url)
        is_unclear = getattr(error, "errno", None) == errno.EIO
        trouble = distrusted(error) or (self._web.distrust(bare) if is_unclear else None)
        if trouble is None or urlsplit(bare).hostname == self._host:
            return trouble
        return trouble.replace("its certificate", f"the certificate of {urlsplit(bare).hostname}")

    def _note(self, error: Exception) -> None:
        self.error = error


def _whole(reference: str, base: str) -> str:
    """An address, from where it was found. `urljoin` would make one slash of two, which need not be the same."""
    parts, root = urlsplit(reference), urlsplit(base)
    if parts.scheme or parts.netloc or not parts.path:
        return urljoin(base, reference)
    path = parts.path if parts.path.startswith("/") else f"{root.path.rpartition('/')[0]}/{parts.path}"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment != "..":
            kept += [segment] if segment != "." else []
        elif len(kept) > 1:
            kept.pop()
    return parts._replace(scheme=root.scheme, netloc=root.netloc, path="/".join(kept)).geturl()


class _Nothing:
    def read(self, size: int) -> bytes:  # noqa: ARG002
        return b""

    def close(self) -> None: ...


class _Text:
    def __init__(self, text: bytes) -> None:
        self._rest = memoryview(text)

    def read(self, size: int) -> bytes:
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def close(self) -> None: ...


class _Bytes:
    """What libav fetches: its demuxer of raw data gives the bytes of whatever it can open."""

    def __init__(self, container: InputContainer, note: Callable[[Exception], None]) -> None:
        self._container, self._note = container, note
        self._packets = container.demux()
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        with suppress(StopIteration):
            while not self._rest:
                try:
                    self._rest = memoryview(bytes(next(self._packets)))
                except (OSError, FFmpegError, ValueError) as err:
                    self._note(err)
                    return b""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def close(self) -> None:
        self._container.close()
