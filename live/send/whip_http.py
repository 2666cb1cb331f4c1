"""The HTTP of WHIP (RFC 9725): an offer is posted, the answer is read and checked, and the session is deleted.

Python does this, not libav's muxer, which would accept any certificate and report no reason.
"""

import re
import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request

from sr4k.common.basic_auth import basic_authorization
from sr4k.errors import OutputError
from sr4k.live.address import Address
from sr4k.live.causes import cause
from sr4k.live.http_opener import http_opener
from sr4k.live.proxy import check_proxy, proxy_trouble
from sr4k.live.tls import distrusted, is_secure

_PATIENCE = 4.0
"""Timeout of the server in seconds, of connecting and of each read."""

_BRIEF = 1.0
"""Timeout of deleting a session, in seconds."""

_LARGEST = 1 << 16
"""Maximum length of an answer, in bytes."""

_MOST_READ = 8191
"""Maximum length of what libav reads of an answer: without the candidates that it can't use."""


_WORDS = {
    **dict.fromkeys((401, 403), "it was rejected: the token or password is wrong or missing"),
    **dict.fromkeys((404, 405), "it is no WHIP endpoint: the path is wrong"),
    **dict.fromkeys((400, 406, 415, 422), "it does not accept this stream"),
    409: "it is not allowed: somebody else may be publishing there",
    **dict.fromkeys(
        (301, 302, 303), "it redirects in a way that doesn't repeat the offer: use the address that it names"
    ),
    **dict.fromkeys((307, 308), "it redirects too often"),
}
"""What an error status means."""

_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 (?P<protocol>\S+) \d+ (?P<host>\S+) (?P<port>\d+) typ host\b.*\n?", re.M)
_ANY_CANDIDATE = re.compile(r"^a=candidate:.*\n?", re.M)
_PASSWORD = re.compile(rb"^a=ice-pwd:(\S+)", re.M)
_GROUP = re.compile(rb"^a=ssrc-group:FID (?P<first>\d+) (?P<second>\d+)", re.M)
_MEDIA = re.compile(r"^m=(?P<kind>audio|video) (?P<port>\d+) ", re.M)
_NAMES = {"video": "H.264 video of this profile", "audio": "Opus sound"}


@dataclass(frozen=True, slots=True)
class Session:
    """A session that a server has agreed to.

    Attributes:
        answer: its SDP, with one candidate: where pictures and sound are sent.
        media: host and port of that candidate.
        resource: URL to delete the session with; empty if the server named none.
        password: ICE's password of this side, from the offer.
    """

    answer: str
    media: str
    resource: str
    password: str


def offered(target: Address, offer: bytes) -> Session:
    """Post an offer, libav's SDP, and return the session.

    Raises:
        OptionError: ``http_proxy`` holds no valid proxy address.
        OutputError: the server can't be reached, isn't trusted, or refuses; the message says which.
    """
    check_proxy(target)
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **_authorization(target)}
    try:
        request = Request(_endpoint(target), _described(offer), headers, method="POST")
        with http_opener(_Redirections()).open(request, timeout=_PATIENCE) as reply:
            answer, url = reply.read(_LARGEST).decode("utf-8", "replace"), reply.url
            location = reply.headers.get("Location")
    except (OSError, HTTPException, ValueError) as err:
        raise OutputError(f"{_why(err, target)}.") from None
    answer = answer.replace("\r\n", "\n")
    resource = urljoin(url, location) if location else ""
    password = _PASSWORD.search(offer)
    try:
        checked, media = _checked(answer, urlsplit(url).hostname or "")
        return Session(checked, media, resource, password[1].decode() if password else "")
    except OutputError:
        forget(target, resource)
        raise


def forget(target: Address, resource: str) -> None:
    """Delete a session. Errors are ignored: the server ends it by itself when nothing comes any more."""
    if not resource or (is_secure(target) and urlsplit(resource).scheme != "https"):
        return
    try:
        request = Request(resource, headers=_authorization(target), method="DELETE")
        http_opener().open(request, timeout=_BRIEF).close()
    except (OSError, HTTPException, ValueError):
        pass


def _described(offer: bytes) -> bytes:
    """Return an offer in which the stream of retransmitted packets is described as its group's first stream is.

    libav names it in the group alone, for which Google's WebRTC, of Chrome, refuses the offer.
    """
    group = _GROUP.search(offer)
    if group is None or b"a=ssrc:%b " % group["second"] in offer:
        return offer
    first, second = b"a=ssrc:%b " % group["first"], b"a=ssrc:%b " % group["second"]
    lines = offer.splitlines(keepends=True)
    return b"".join((*lines, *(line.replace(first, second) for line in lines if line.startswith(first))))


def _endpoint(target: Address) -> str:
    parts = urlsplit(target.url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(scheme="https" if is_secure(target) else "http", netloc=host, fragment="").geturl()


def _authorization(target: Address) -> dict[str, str]:
    """Return the header for what precedes the ``@`` of an address: a bearer token, or a user and a password."""
    user, at, _ = urlsplit(target.url).netloc.rpartition("@")
    if not at:
        return {}
    if ":" not in user:
        return {"Authorization": f"Bearer {unquote(user)}"}
    name, _, password = user.partition(":")
    return {"Authorization": basic_authorization(name, password)}


class _Redirections(HTTPRedirectHandler):
    """Follows the redirections that repeat the request: WHIP servers spread their load with them."""

    max_redirections = 4

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if code not in (307, 308):
            raise HTTPError(req.full_url, code, msg, headers, fp)
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            fp.close()
            raise _UnsafeError
        return Request(newurl, req.data, dict(req.header_items()), method="POST")


class _UnsafeError(ValueError):
    """A redirection from https to http, which would give away the token."""


def _why(error: Exception, target: Address) -> str:
    """Return the cause of an error in words, without the address."""
    if isinstance(error, HTTPError):
        error.close()
        if (trouble := proxy_trouble(target)) is not None:
            return trouble
        words = _WORDS.get(error.code)
        return f"{words} (the server answered {error.code})" if words else f"the server answered {error.code}"
    if isinstance(error, URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if (distrust := distrusted(error)) is not None:
        return distrust
    if (trouble := proxy_trouble(target)) is not None:
        return trouble
    if isinstance(error, socket.gaierror):
        return "its name can't be resolved"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, _UnsafeError):
        return "it redirects from https to http, which would give away the token"
    if isinstance(error, OSError):
        return cause(error)
    return "it does not speak HTTP"


def _checked(answer: str, host: str) -> tuple[str, str]:
    """Return an answer with one candidate, which libav can use, and its host and port: ``host``'s own, if it is there.

    Raises:
        OutputError: libav can't send anything to it, or would send what the server has not agreed to.
    """
    if not answer.startswith("v="):
        raise OutputError("its answer is no session description: the path is wrong.")
    for media in _MEDIA.finditer(answer):
        if media["port"] == "0":
            raise OutputError(f"it accepts no {_NAMES[media['kind']]}.")
    usable = [
        found
        for found in _CANDIDATE.finditer(answer)
        if found["protocol"].lower() == "udp" and not found["host"].endswith(".local")
    ]
    if not usable:
        raise OutputError("its answer names no UDP address of its own to send to.")
    known = _addresses(host)
    chosen = next((found for found in usable if found["host"] in known), usable[0])
    kept = _ANY_CANDIDATE.sub(lambda found: chosen[0] if found.start() == chosen.start() else "", answer)
    kept = kept.replace("\n", "\r\n")
    if len(kept.encode()) > _MOST_READ:
        raise OutputError(f"its answer is longer than libav reads ({_MOST_READ} bytes).")
    return kept, f"{chosen['host']}:{chosen['port']}"


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()
