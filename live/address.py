"""Where streams come from and go to, and what of it may be shown.

Nothing reaches libav that is not of a scheme named here: ``concat:``, ``subfile,,…:`` and ``lavfi`` would open files of
this machine.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from sr4k.errors import OptionError

Kind = Literal["rtmp", "rtsp", "http", "udp", "srt", "file", "hls", "pattern"]
"""How an address is opened; rtmps, rtsps and https are their plain relatives over TLS."""

_SOURCES: dict[str, Kind] = {
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "http": "http",
    "https": "http",
    "udp": "udp",
    "srt": "srt",
    "pattern": "pattern",
}
_TARGETS: dict[str, Kind] = {
    "rtmp": "rtmp",
    "rtmps": "rtmp",
    "rtsp": "rtsp",
    "udp": "udp",
    "srt": "srt",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_PATTERN = re.compile(r"pattern://(?P<width>\d{2,4})x(?P<height>\d{2,4})(@(?P<rate>[\d./]+))?/?(\?(?P<query>.*))?")
_SAFE = re.compile(r"[A-Za-z0-9._~:/?=&%@+,-]+")
"""What a URL to push to may be made of: libav's tee would read more into ``|``, ``[``, ``]``, ``\\`` and ``'``."""

_UNFIT = re.compile(r"[\x00-\x20\x7f]")
"""In no URL: a line break would end a line of HTTP or of an ffmpeg's script."""

RECORDINGS = (".mkv", ".mp4", ".mov", ".ts", ".flv")
"""Suffixes."""

_HIDDEN = "***"
_SHORTEST_SECRET = 4
"""Characters. What is shorter is no secret, and would be found everywhere."""


@dataclass(frozen=True, slots=True)
class Address:
    """One source or target. ``str()`` of it is fit to be shown; ``url`` is not.

    Attributes:
        url: what is opened, with all its secrets; of a file, its path.
        kind: how.
        shown: scheme, host and path, without user, password, stream key and query.
        secrets: parts of ``url`` that must appear nowhere.
    """

    url: str = field(repr=False)
    kind: Kind
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def path(self) -> Path:
        """Of a file, a recording or an HLS playlist."""
        return Path(self.url)


def is_live(text: str) -> bool:
    """Whether this is a URL, and not the path of a file."""
    return _scheme(text) is not None


def parse_source(text: str) -> Address:
    """A URL of one of the schemes that can be pulled, ``pattern://1280x720@30``, or the path of a file.

    Raises:
        OptionError: another scheme, no host, or no pattern.
    """
    address = _parse(text, _SOURCES, "read from", "file")
    if address.kind == "pattern":
        parse_pattern(address)
    return address


def parse_target(text: str) -> Address:
    """A URL of one of the schemes that can be pushed to, the path of an HLS playlist (.m3u8), or of a recording.

    Raises:
        OptionError: another scheme or suffix, no host, or characters that have a meaning of their own to libav.
    """
    address = _parse(text, _TARGETS, "written to", "hls" if text.lower().endswith(".m3u8") else "file")
    if address.kind == "file" and address.path.suffix.lower() not in RECORDINGS:
        raise OptionError(f"{address} can't be a recording: use one of {', '.join(RECORDINGS)}, or .m3u8 for HLS.")
    if address.kind not in ("file", "hls") and not _SAFE.fullmatch(address.url):
        raise OptionError(f"{address} has characters that a stream's URL can't have: write them as %XX.")
    return address


def parse_pattern(source: Address) -> tuple[tuple[int, int], Fraction, float | None]:
    """Size (width, height), pictures a second, and seconds, if it ends.

    Raises:
        OptionError: it says something else.
    """
    match = _PATTERN.fullmatch(source.url)
    seconds = parse_qs(match["query"] or "").get("seconds") if match else None
    try:
        if match is None:
            raise ValueError
        size, rate = (int(match["width"]), int(match["height"])), Fraction(match["rate"] or "30")
        length = float(seconds[0]) if seconds else None
        if not (min(size) >= 16 and max(size) <= 4096 and 1 <= rate <= 120 and (length is None or length > 0)):
            raise ValueError
    except (ValueError, ZeroDivisionError):
        raise OptionError(f"{source} is no pattern: write pattern://1280x720@30, or …?seconds=10 to end it.") from None
    return size, rate, length


def _parse(text: str, schemes: dict[str, Kind], verb: str, without: Kind) -> Address:
    scheme = _scheme(text)
    if scheme is None:
        return Address(text, without, text)
    kind = schemes.get(scheme)
    if kind is None:
        raise OptionError(f"'{scheme}:' can't be {verb}: use a path, or a URL with one of {', '.join(schemes)}.")
    if kind == "pattern":
        return Address(text, kind, text)
    parts = _split(text, scheme)
    if not (parts.hostname or (kind == "udp" and parts.netloc)):
        raise OptionError(f"The {scheme} URL names no host: write {scheme}://host/….")
    host = parts.netloc.rpartition("@")[2]
    folder, _, name = parts.path.rpartition("/")
    hides_name = kind == "rtmp" and bool(name)  # the stream key
    path = f"{folder}/{_HIDDEN}" if hides_name else parts.path
    shown = f"{scheme}://{host}{path}{f'?{_HIDDEN}' if parts.query else ''}"
    found = [text, parts.username, parts.password, parts.query, parts.fragment]
    found += [pair.partition("=")[2] for pair in parts.query.split("&")]
    if hides_name:
        found.append(name)
    secrets = {form for secret in found if secret for form in (secret, unquote(secret))}
    kept = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
    return Address(text, kind, shown, tuple(kept))


def _split(text: str, scheme: str) -> SplitResult:
    try:
        if _UNFIT.search(text):
            raise ValueError
        parts = urlsplit(text)
        _ = parts.port  # read when asked for
    except ValueError:
        raise OptionError(f"The {scheme} URL is not one: check its host and port, and write blanks as %20.") from None
    return parts


def _scheme(text: str) -> str | None:
    """Of a URL, or of what libav would take for one; one letter and a colon are a drive, and a path has no scheme."""
    match = _SCHEME.match(text)
    if match and len(match[1]) > 1:
        return match[1].lower()
    return "subfile" if text.startswith("subfile,") else None
