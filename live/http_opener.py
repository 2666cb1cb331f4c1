"""HTTP(S) in Python with the proxy and the certificate authorities that libav gets, and nothing but HTTP(S)."""

import os
from urllib.request import (
    BaseHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
)

from sr4k.live.tls import tls_context

SCHEMES = ("http", "https")


def http_opener(*handlers: BaseHandler) -> OpenerDirector:
    """Return an opener of URLs that uses ``http_proxy`` and ``no_proxy``, and checks certificates.

    Args:
        handlers: what else it has to do, such as following redirections.
    """
    proxy = os.environ.get("http_proxy")  # as in libav, for both schemes; both apply no_proxy
    opener = OpenerDirector()  # `build_opener` would add a handler for local files
    for handler in (
        ProxyHandler(dict.fromkeys(SCHEMES, proxy) if proxy else {}),
        HTTPHandler(),
        HTTPSHandler(context=tls_context()),
        HTTPErrorProcessor(),
        HTTPDefaultErrorHandler(),
        UnknownHandler(),
        *handlers,
    ):
        opener.add_handler(handler)
    return opener
