"""Addresses of sources and targets, and the parts of them that may be shown.

Only addresses with a scheme of `SCHEMES` reach libav: ``concat:``, ``subfile,,…:`` and ``lavfi`` would open files of
this machine.
"""

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from sr4k.errors import OptionError
from sr4k.live.schemes import SCHEMES, Kind, Scheme
from sr4k.media.remote_path import is_in_bucket, shown_in_bucket

_SOURCES: dict[str, Kind] = {name: scheme.kind for name, scheme in SCHEMES.items() if scheme.is_source}
_TARGETS: dict[str, Kind] = {name: scheme.kind for name, scheme in SCHEMES.items() if scheme.is_target}

_PASSPHRASE = range(10, 80)
"""Allowed length of an SRT passphrase, in bytes."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_PATTERN = re.compile(
    r"pattern://(?P<width>\d{2,4})x(?P<height>\d{2,4})(@(?P<rate>\d+(\.\d+|/\d+)?))?/?(\?(?P<query>.*))?"
)
_SAFE = re.compile(r"[A-Za-z0-9._~:/?=&%@+,-]+")
"""Characters allowed in a URL to push to: ``|``, ``[``, ``]``, ``\\`` and ``'`` are syntax of libav's tee muxer."""

_BARE = re.compile(
    r"amqp|async|bluray|cache|concatf?|crypto|data|fd|file|ftp|gophers?|hls|https?|httpproxy|icecast|ip[fn]s|lavfi|"
    r"libsmbclient|md5|mms[ht]|pattern|pipe|prompeg|rist|rtmp(e|s|t|te|ts)?|rtps?|rtsps?|sctp|sftp|smb|srtp?|tcp|tee|"
    r"tls|udp|udplite|unix|whips?|zmq"
)
"""Schemes, and libav's names of protocols and devices, that are recognized without slashes after the colon."""

_OF_NETWORK = "|".join(name for name, scheme in SCHEMES.items() if scheme.kind != "pattern")
_GARBLED = re.compile(rf"[^/]*:[^\w/]*//|\W*(?:{_OF_NETWORK})[^\w/]*//", re.IGNORECASE)
"""Beginning of a malformed URL: the rest may hold a stream key."""

_OF_CLUSTER = re.compile(r"ray://[\w.:\[\]-]+")
"""Address of a Ray cluster, without a user and a password."""

_STRAY = re.compile(r"[^\w/.]+")
"""Spaces, quotes and the like before an address."""

_UNFIT = re.compile(r"[\x00-\x20\x7f]")
"""Characters that no URL may have: a line break would end a line of HTTP or of an ffmpeg script."""

RECORDINGS = (".mkv", ".mp4", ".mov", ".ts", ".flv")
"""File suffixes of recordings."""

_HIDDEN = "***"
_SHORTEST_SECRET = 4
"""Minimum length of a secret, in characters: anything shorter would match everywhere."""


class AddressError(OptionError):
    """An address that is invalid or not supported.

    Args:
        subject: the address, as far as it may be shown.
        reason: what is wrong with it, and what to do, without quoting it.
    """

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject} {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a source or target. Its ``str()`` may be shown; ``url`` may not.

    Attributes:
        url: URL with all its secrets, or the path of a file.
        kind: how it is opened.
        shown: scheme and host, without user, password and query; for RTMP also the application, for HTTP the path.
        secrets: parts of ``url`` that must never be shown.
    """

    url: str = field(repr=False)
    kind: Kind
    shown: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.shown

    @property
    def is_local(self) -> bool:
        """Whether this is a local file or HLS folder."""
        return self.kind in ("file", "hls")

    @property
    def begins_when_told(self) -> bool:
        """Whether a source has a beginning that nobody misses if it is told to begin later."""
        return self.kind in ("file", "pattern")

    @property
    def place(self) -> str:
        """Canonical form of a target: equal for two spellings that write to the same place."""
        if self.is_local:
            path = Path(os.path.realpath(self.path.parent)) / self.path.name
            return str(path.with_suffix(".m3u8") if self.kind == "hls" else path)
        parts, (host, port) = urlsplit(self.url), self.host_and_port
        return f"{parts.scheme}://{host}:{port}{unquote(parts.path).rstrip('/')}?{parts.query}"

    @property
    def scheme(self) -> Scheme | None:
        """The scheme of a URL; ``None`` for a local file or HLS folder."""
        return None if self.is_local else SCHEMES[urlsplit(self.url).scheme]

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Host and port that a URL leads to."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or SCHEMES[parts.scheme].port

    @property
    def path(self) -> Path:
        """Path of a file, a recording or an HLS playlist."""
        return Path(self.url)


def is_live(text: str) -> bool:
    """Whether this text is a URL, or a malformed one, rather than the path of a file."""
    return _scheme(text) is not None or _is_garbled(text)


def parse_source(text: str) -> Address:
    """Parse a source: a URL with a scheme that can be pulled, ``pattern://1280x720@30``, or the path of a file.

    Raises:
        AddressError: the scheme is not supported, or the URL or pattern is invalid.
    """
    address = _parse(text, _SOURCES, "read from", "file")
    if address.kind == "pattern":
        parse_pattern(address)
    return address


def parse_target(text: str) -> Address:
    """Parse a target: a URL with a scheme that can be pushed to, or the path of an HLS playlist (.m3u8) or recording.

    Raises:
        AddressError: the scheme or suffix is not supported, or the URL is invalid or has characters special to libav.
    """
    address = _parse(text, _TARGETS, "written to", "hls" if text.lower().endswith(".m3u8") else "file")
    if address.kind == "file" and address.path.suffix.lower() not in RECORDINGS:
        reason = f"can't be a recording: use one of {', '.join(RECORDINGS)}, or .m3u8 for HLS."
        raise AddressError(str(address), reason)
    if address.kind not in ("file", "hls") and not _SAFE.fullmatch(address.url):
        raise AddressError(str(address), "has characters that a stream's URL can't have: write them as %XX.")
    return address


def parse_pattern(source: Address) -> tuple[tuple[int, int], Fraction, float | None]:
    """Return size (width, height), frames per second, and duration in seconds (``None``: endless) of a test pattern.

    Raises:
        AddressError: the address isn't a valid pattern.
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
        reason = "isn't a pattern: write pattern://1280x720@30, or …?seconds=10 to limit its length."
        raise AddressError(str(source), reason) from None
    return size, rate, length


def shown(text: str) -> str:
    """Return what may be shown of a text, whether it is a valid address or not."""
    scheme = _scheme(text)
    if scheme is None:
        return _HIDDEN if _is_garbled(text) else text
    if is_in_bucket(text):
        return shown_in_bucket(text)
    if scheme == "ray" and _OF_CLUSTER.fullmatch(text):
        return text
    try:
        return _parse(text, _SOURCES | _TARGETS, "used", "file").shown
    except OptionError:
        return f"{scheme}://{_HIDDEN}"


def _parse(text: str, schemes: dict[str, Kind], verb: str, without: Kind) -> Address:
    scheme = _scheme(text)
    if scheme is None:
        if _is_garbled(text):
            raise AddressError(f"The address {_HIDDEN}", _garbled(text))
        return Address(text, without, text)
    kind = schemes.get(scheme)
    if kind is None:
        path = "a path (./NAME where it has a colon)"
        reason = f"can't be {verb}: use {path}, or a URL with one of {', '.join(schemes)}."
        raise AddressError(f"'{scheme}:'", reason)
    given = text
    text = scheme + text[len(scheme) :]  # libav, unlike RFC 3986 (3.1), takes schemes in small letters only
    if kind == "pattern":
        return Address(text, kind, text)
    parts = _split(text, scheme)
    if not (parts.hostname or (kind == "udp" and parts.netloc)):
        raise AddressError(f"The {scheme} URL", "names no host: put one before the path.")
    if not (parts.port or SCHEMES[scheme].port):
        raise AddressError(f"The {scheme} URL", f"names no port: write {scheme}://host:port.")
    _check_options(parts.query, scheme)
    phrases = parse_qs(parts.query).get("passphrase", []) if kind == "srt" else []
    if not all(len(phrase.encode()) in _PASSPHRASE for phrase in phrases):
        raise AddressError(f"The {scheme} URL", "has an invalid passphrase: SRT requires 10 to 79 characters.")
    if kind == "whip" and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        reason = "has an @ after its host: in a token or password, write / as %2F, ? as %3F, # as %23 and @ as %40."
        raise AddressError(f"The {scheme} URL", reason)
    host = parts.netloc.rpartition("@")[2]
    open_path, hidden_path = _path(parts.path, kind)
    hidden = f"/{_HIDDEN}" if hidden_path.strip("/") else hidden_path
    shown = f"{scheme}://{host}{open_path}{hidden}{f'?{_HIDDEN}' if parts.query else ''}"
    found = [given, text, parts.username, parts.password, parts.query, parts.fragment, hidden_path.strip("/")]
    found += hidden_path.split("/")
    for pair in parts.query.split("&"):
        value = pair.partition("=")[2]
        found += [value, *value.split("/")]  # rtmp://host/app?token=…/key
    secrets = {form for secret in found if secret for form in (secret, unquote(secret))}
    kept = sorted((s for s in secrets if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
    return Address(text, kind, shown, tuple(kept))


def _check_options(query: str, scheme: str) -> None:
    """Check that libav knows the options of a query: it ignores a mistyped passphrase, and sends in the clear."""
    known = SCHEMES[scheme].options
    for name in (pair.partition("=")[0] for pair in query.split("&") if pair):
        if known is None or name in known:
            continue
        near = get_close_matches(name.lower(), known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        reason = f"has an option after ? that {scheme} does not know{meant}: correct it, or leave it out."
        raise AddressError(f"The {scheme} URL", reason)


def _path(path: str, kind: Kind) -> tuple[str, str]:
    """Split a path into the part that may be shown and the rest, which may be or hold a stream key.

    For RTMP the application is shown if more follows, for RTSP, SRT, UDP and WHIP nothing, for HTTP the whole path.
    """
    if kind == "http":
        return path, ""
    if kind != "rtmp":
        return "", path
    application, slash, rest = path.lstrip("/").partition("/")
    return (f"/{application}", slash + rest) if rest.strip("/") else ("", path)


def _split(text: str, scheme: str) -> SplitResult:
    try:
        if _UNFIT.search(text):
            raise ValueError
        parts = urlsplit(text)
        _ = parts.port  # parsed on access, may raise
    except ValueError:
        reason = "is invalid: check its host and port, and write spaces as %20."
        raise AddressError(f"The {scheme} URL", reason) from None
    return parts


def _scheme(text: str) -> str | None:
    """Return the scheme of a URL, or of anything that libav would treat as one; ``None`` for a path."""
    if text.startswith("subfile,"):
        return "subfile"
    match = _SCHEME.match(text)
    if match is None:
        return None
    scheme, slashes = match[1].lower(), match[2]
    is_name = not slashes and (not _BARE.fullmatch(scheme) or text[match.end() :].startswith(" "))
    return None if is_name else scheme


def _is_garbled(text: str) -> bool:
    """Whether a text without a scheme is a malformed address, with something before it or a part missing."""
    if text.startswith("//") and not text.startswith("///"):
        return not os.path.exists("/" + text.strip("/").partition("/")[0])  # noqa: PTH110 - raises where a name is too long
    stray = _STRAY.match(text)
    return bool(_GARBLED.match(text)) or (stray is not None and _scheme(text[stray.end() :]) is not None)


def _garbled(text: str) -> str:
    """Return what is wrong with a malformed address, without quoting it."""
    if text[0].isspace():
        return "begins with whitespace: remove it."
    if _STRAY.match(text):
        return "begins with a character that does not belong there, such as a quote: remove it."
    return "has no readable scheme: write it as rtmp://host/…, or ./NAME if it is the path of a file."
