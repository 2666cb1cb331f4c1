"""HTTP(S) by Python, for what libav doesn't tell: where a redirection led, and why a server was not believed."""

import os
import zlib
from http.client import HTTPException
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPCookieProcessor,
    HTTPDefaultErrorHandler,
    HTTPDigestAuthHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

import av

from sr4k.live.tls import distrusted, tls_context

SCHEMES = ("http", "https")

_LARGEST = 32 << 20
"""Bytes of a text."""

_PATIENCE = 10.0
"""Seconds that a server may be silent."""

_BRIEF = 3.0
"""The same, where it is asked only for what was wrong."""

_AGENT = f"Lavf/{'.'.join(map(str, av.library_versions['libavformat']))}"
_PLAIN = "%/:=&?~#+!$,;'@()*[]"
"""What is not escaped once more in a URL."""


class Web:
    """A visitor with cookies, and with the passwords that addresses hold."""

    def __init__(self) -> None:
        self._cookies = CookieJar()
        self._passwords = HTTPPasswordMgrWithDefaultRealm()
        proxy = os.environ.get("http_proxy")  # what libav heeds, for both; and both heed no_proxy
        self._opener = OpenerDirector()  # what builds one has it open files of this machine as well
        for handler in (
            ProxyHandler(dict.fromkeys(SCHEMES, proxy) if proxy else {}),
            HTTPHandler(),
            HTTPSHandler(context=tls_context()),
            HTTPRedirectHandler(),
            HTTPCookieProcessor(self._cookies),
            HTTPBasicAuthHandler(self._passwords),
            HTTPDigestAuthHandler(self._passwords),
            HTTPErrorProcessor(),
            HTTPDefaultErrorHandler(),
            UnknownHandler(),
        ):
            self._opener.add_handler(handler)

    def text(self, url: str) -> tuple[str, str]:
        """A text, and where it was found in the end.

        Raises:
            OSError: it can't be had.
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
        """Why a server that this leads to is not believed, if that is why it fails."""
        try:
            self._opener.open(self._request(url), timeout=_BRIEF).close()
        except URLError as err:
            return distrusted(err.reason) if isinstance(err.reason, OSError) else None
        except (OSError, HTTPException, ValueError):
            pass
        return None

    def cookies(self, url: str) -> str:
        """Those that this is to be asked with, as libav wants them."""
        request = self._request(url)
        self._cookies.add_cookie_header(request)
        pairs = filter(None, (request.get_header("Cookie") or "").split("; "))
        host = urlsplit(url).netloc.rpartition("@")[2]  # with its port: libav compares it with that
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
