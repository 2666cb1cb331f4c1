"""HLS: opens everything that a playlist leads to, so that every server's certificate is checked.

On its own, libav's demuxer opens segments, keys, other playlists and every reload without its TLS options: certificates
are not checked. So it calls this module instead. Playlists are fetched by Python, which reports where a redirection
led, and all else by libav, with all options.
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

from sr4k.live.http_opener import SCHEMES
from sr4k.live.receive.http_client import Web
from sr4k.live.tls import distrusted

_PIECE = "32768"
"""Maximum number of bytes of a segment per read."""

_MOST_PLAYLISTS = 256
"""Maximum number of playlists that a master playlist may list: libav opens them all."""

_LONGEST_OPENING = 30.0
"""Timeout in seconds of fetching playlists until the stream is open."""

_START = "#EXTM3U"
_OF_PLAYLISTS = re.compile("^#EXT-X-(STREAM-INF|MEDIA|I-FRAME-STREAM-INF):", re.MULTILINE)
"""Tags of a master playlist, which a media playlist does not have."""

_REFERENCE = re.compile(r'^[^#\s].*|(?<=URI=")[^"\n]+', re.MULTILINE)
_ENCRYPTED = re.compile(r"^crypto[+:]")


class Readable(Protocol):
    """File object that libav reads from."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ...

    def close(self) -> None: ...


class _EndlessError(ValueError):
    """Playlists that take too long or form a loop; the message says which."""


class Fetcher:
    """Opens URLs for an HLS demuxer: pass it to `av.open` as ``io_open``.

    It raises nothing into libav, which goes on with the next segment: a URL that can't be opened reads as empty. After
    a rejected certificate or a loop of playlists, all further URLs do.

    Args:
        playlist: URL of the first playlist.
        options: libav's options for all that is opened: TLS, allowed protocols, timeouts.
        timeout: seconds to open a URL, and to read from it.

    Attributes:
        refused: why nothing more is opened, in plain words; ``None``: all is well.
        is_open: whether the demuxer is open; set by the caller.
        error: the last error.
        is_playlist: whether the first URL is a playlist.
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
        """Open a playlist, segment or key."""
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
        merged = options | self._options | {"raw_packet_size": _PIECE, "cookies": cookies}
        container: InputContainer = av.open(url, format="data", options=merged, timeout=self._timeout)
        return _Bytes(container, self._note)

    def _playlist(self, url: str) -> bytes:
        """Fetch a playlist. Relative URLs are resolved where libav could not, since it does not see redirections.

        Those in a master playlist are always resolved, so that they are recognized as playlists later.

        Raises:
            _EndlessError: it takes too long, or playlists form a loop.
            OSError: it can't be fetched.
        """
        if not self.is_open and time.monotonic() - self._begun > _LONGEST_OPENING:
            raise _EndlessError(f"its playlists did not load within {_LONGEST_OPENING:.0f} s")
        text, base = self._web.text(url)
        self.is_playlist = self.is_playlist or text.startswith(_START)
        leads_on = _OF_PLAYLISTS.search(text) is not None
        if leads_on or base != url:
            text = _REFERENCE.sub(lambda found: _whole(found[0].strip(), base), text)
        if leads_on:
            self._lead_on(_REFERENCE.findall(text))
        return text.encode()

    def _lead_on(self, references: list[str]) -> None:
        """Note the references of a master playlist to media playlists (RFC 8216, 4.3.4): libav would follow a loop.

        Raises:
            _EndlessError: this is the second master playlist, or lists too many playlists.
        """
        if self._leads_on:
            raise _EndlessError("its master playlist leads to another master playlist, or to itself")
        if len(references) > _MOST_PLAYLISTS:
            raise _EndlessError(f"its playlist leads to too many others ({len(references)})")
        self._leads_on = True
        self._playlists.update(references)

    def _distrust(self, url: str, error: Exception) -> str | None:
        """Return why a certificate is rejected, or ``None`` if that wasn't the error: libav does not report it."""
        bare = _ENCRYPTED.sub("", url)
        is_unclear = getattr(error, "errno", None) == errno.EIO
        trouble = distrusted(error) or (self._web.distrust(bare) if is_unclear else None)
        if trouble is None or urlsplit(bare).hostname == self._host:
            return trouble
        return trouble.replace("its certificate", f"the certificate of {urlsplit(bare).hostname}")

    def _note(self, error: Exception) -> None:
        self.error = error


def _whole(reference: str, base: str) -> str:
    """Resolve a reference against a base URL. Unlike `urljoin`, it keeps double slashes, which may be significant."""
    parts, root = urlsplit(reference), urlsplit(base)
    if parts.scheme or parts.netloc or not parts.path:
        return urljoin(base, reference)
    path = parts.path if parts.path.startswith("/") else f"{root.path.rpartition('/')[0]}/{parts.path}"
    resolved: list[str] = []
    for segment in path.split("/"):
        if segment != "..":
            resolved += [segment] if segment != "." else []
        elif len(resolved) > 1:
            resolved.pop()
    return parts._replace(scheme=root.scheme, netloc=root.netloc, path="/".join(resolved)).geturl()


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
    """Bytes fetched by libav: its raw ``data`` demuxer returns those of any URL that it can open."""

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
