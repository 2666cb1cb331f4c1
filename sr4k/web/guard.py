"""What stands before every request: the name of the host, where it comes from, who asks, and what they may do."""

import math
import time
from collections import OrderedDict, deque
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sr4k.web.access import Access, Role, Sessions
from sr4k.web.api.problems import problem

COOKIE: Final = "sr4k_session"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'; media-src 'self' blob:",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",  # without any, a browser hides where its own forms come from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response: nothing is loaded from elsewhere, and no page elsewhere shows this one.

Media from blobs are what scripts of the page put together from the segments of a playlist.
"""

_SAFE = {"GET", "HEAD", "OPTIONS"}
_MOST_BYTES = 2**20
"""Size of the largest request. Nothing is uploaded: videos are those of the library."""

_LONGEST_PATH = 2048
"""Length of the longest path, in characters: Python raises at numbers of more than 4300 digits."""

_ASKS: Final = {"WWW-Authenticate": "Bearer"}
"""Header of answers that ask for a token."""

_OPEN = {"/login", "/login/end", "/health", "/ready"}
"""Paths that need no session, besides those of what pages are made of."""

FOR_PROGRAMS = ("/api", "/metrics")
"""Beginnings of paths that are never answered with a page."""


class Attempts:
    """Limits how often tokens may be tried, by each address and by all together.

    Args:
        each: failures of one address within `_WINDOW` seconds. ``all_together``: of all.
    """

    _WINDOW = 60.0
    _MOST_ADDRESSES = 1000

    def __init__(self, each: int = 5, all_together: int = 50) -> None:
        self._each, self._all_together = each, all_together
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=all_together)

    def wait(self, address: str) -> int:
        """Return the seconds for which the address may not try again; 0: it may."""
        own = self._by_address.get(address, deque())
        full = [times for times, most in ((own, self._each), (self._all, self._all_together)) if len(times) >= most]
        return max((math.ceil(max(0.0, times[0] + self._WINDOW - time.monotonic())) for times in full), default=0)

    def failed(self, address: str) -> None:
        """Note a token that was wrong."""
        now = time.monotonic()
        self._by_address.setdefault(address, deque(maxlen=self._each)).append(now)
        self._by_address.move_to_end(address)
        if len(self._by_address) > self._MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        self._all.append(now)


class Door:
    """Tells who asks: by a token, whose tries are limited, or by the cookie of a session."""

    def __init__(self, access: Access) -> None:
        self.access, self.sessions, self._attempts = access, Sessions(access), Attempts()

    def role(self, scope: Scope, headers: Headers) -> Role | Response | None:
        """Return the role of whoever asks, or a refusal; ``None``: neither token nor cookie was given."""
        if not self.access.tokens:
            return "operate"
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self.role_by_token(scope, token.strip()) or problem(401, "The token is wrong.", headers=_ASKS)
        cookie = _cookie(headers)
        return None if cookie is None else self.sessions.role_of(cookie)

    def role_by_token(self, scope: Scope, token: str) -> Role | Response | None:
        """Return the role that a token gives, or the refusal of an address that has tried too many."""
        address = scope["client"][0] if scope.get("client") else "?"
        if wait := self._attempts.wait(address):
            return problem(
                429, f"Too many wrong tokens: try again in {wait} seconds.", headers={"Retry-After": str(wait)}
            )
        role = self.access.role_of(token)
        if role is None:
            self._attempts.failed(address)
        return role


class Guard:
    """Lets requests pass to an app, with ``request.state.role`` set; answers the others itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["scheme"] = _scheme(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    own[name] = value
                own.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope, headers)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if len(headers.getlist("host")) != 1 or not self._door.access.is_own_name(headers["host"]):
            return problem(
                421, "This service isn't known by that name: call it by its address, or start it with --host-name NAME."
            )
        if not _is_from_here(scope, headers):
            return problem(403, "Another page has sent this request: open the service's own page.")
        if len(scope["path"]) > _LONGEST_PATH:
            return problem(414, f"A path has at most {_LONGEST_PATH} characters here.")
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal():
            return problem(411, "A request with a body has to tell its length here, as Content-Length.")
        if _is_too_large(length):
            return problem(413, f"A request has at most {_MOST_BYTES} bytes here.")
        role = self._door.role(scope, headers)
        if isinstance(role, Response):
            return role
        scope.setdefault("state", {})["role"] = role
        if scope["path"] in _OPEN or scope["path"].startswith("/static/"):
            return None
        if role is None:
            return self._asks_for_token(scope)
        if role == "view" and scope["method"] not in _SAFE:
            return problem(403, "You may look, and change nothing: log in with the token to operate the service.")
        return None

    def _asks_for_token(self, scope: Scope) -> Response:
        if scope["path"].startswith(FOR_PROGRAMS) or scope["method"] not in _SAFE:
            return problem(401, "This needs a token: send it as `Authorization: Bearer TOKEN`.", headers=_ASKS)
        return RedirectResponse(f"/login?to={quote(scope['path'])}", status_code=303)


def _scheme(scope: Scope, headers: Headers) -> str:
    """Return the scheme by which the browser came, also to a proxy that tells it.

    It decides about the sender's own cookie and redirections, so that nobody gains by making it up.
    """
    told = headers.get("x-forwarded-proto")
    return told if told in ("http", "https") else str(scope["scheme"])


def _is_from_here(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from the service's own page, or from no page at all.

    Following a link from elsewhere is allowed; whatever changes something, or is only a part of a page, is not.
    """
    site, is_safe = headers.get("sec-fetch-site"), scope["method"] in _SAFE
    if site not in (None, "same-origin", "none"):
        return is_safe and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    origin = headers.get("origin")
    return is_safe or origin is None or origin in {f"{scheme}://{headers['host']}" for scheme in ("http", "https")}


def _is_too_large(length: str) -> bool:
    """Whether a request brings more than an answer to a form."""
    return len(length) > len(str(_MOST_BYTES)) or int(length) > _MOST_BYTES  # Python reads no number of 4300 digits


def _cookie(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value
