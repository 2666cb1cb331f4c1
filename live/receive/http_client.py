"""HTTP(S) in Python, for what libav doesn't report: where a redirection led, and why a certificate is rejected."""

import zlib
from http.client import HTTPException
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPCookieProcessor,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    Request,
)

import av

from sr4k.live.http_opener import SCHEMES, http_opener
from sr4k.live.tls import distrusted

_LARGEST = 32 << 20
"""Maximum length of a text, in bytes."""

_PATIENCE = 10.0
"""Timeout of a server, in seconds."""

_BRIEF = 3.0
"""Timeout of a server in a diagnosis, in seconds."""

_AGENT = f"Lavf/{'.'.join(map(str, av.library_versions['libavformat']))}"
_PLAIN = "%/:=&?~#+!$,;'@()*[]"
"""Characters of a URL that are not escaped again."""


class Web:
    """HTTP client with cookies, and with the passwords in addresses."""

    def __init__(self) -> None:
        self._cookies = CookieJar()
        self._passwords = HTTPPasswordMgrWithDefaultRealm()
        self._opener = http_opener(
            HTTPRedirectHandler(),
            HTTPCookieProcessor(self._cookies),
            HTTPBasicAuthHandler(self._passwords),
            HTTPDigestAuthHandler(self._passwords),
        )

    def text(self, url: str) -> tuple[str, str]:
        """Fetch a text, and return it with its final URL after redirections.

        Raises:
            OSError: it can't be fetched: `HTTPError` for an error status, `ConnectionResetError` for a bad response.
            ValueError: the scheme is neither http nor https.
        """
        request = self._request(url)
        try:
            with self._opener.open(request, timeout=_PATIENCE) as answer:
                body = answer.read(_LARGEST)
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    body = zlib.decompressobj(wbits=47).decompress(body, _LARGEST)  # gzip or zlib
                found = answer.url
        except HTTPError:
            raise
        except URLError as err:
            raise err.reason if isinstance(err.reason, OSError) else err from None
        except (HTTPException, ValueError, zlib.error) as err:
            raise ConnectionResetError from err
        return body.decode("utf-8-sig", "replace"), url if found == request.full_url else found

    def distrust(self, url: str) -> str | None:
        """Return why the certificate of a server that this URL leads to is rejected, or ``None`` if it isn't."""
        try:
            self._opener.open(self._request(url), timeout=_BRIEF).close()
        except URLError as err:
            return distrusted(err.reason) if isinstance(err.reason, OSError) else None
        except (OSError, HTTPException, ValueError):
            pass
        return None

    def cookies(self, url: str) -> str:
        """Return the cookies to request a URL with, in libav's format.

        Raises:
            ValueError: the scheme is neither http nor https.
        """
        request = self._request(url)
        self._cookies.add_cookie_header(request)
        pairs = filter(None, (request.get_header("Cookie") or "").split("; "))
        host = urlsplit(url).netloc.rpartition("@")[2]  # libav compares it including the port
        return "\n".join(f"{pair}; path=/; domain={host}" for pair in pairs)

    def _request(self, url: str) -> Request:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            raise ValueError
        user, at, host = parts.netloc.rpartition("@")
        bare = quote(parts._replace(netloc=host, fragment="").geturl(), safe=_PLAIN)
        if at:
            name, _, password = user.partition(":")
            self._passwords.add_password(None, bare, unquote(name), unquote(password))
        return Request(bare, headers={"User-Agent": _AGENT, "Accept": "*/*"})
