"""What libav is told about servers that must prove who they are: rtmps, rtsps, https."""

import os
import ssl
from pathlib import Path

from sr4k.errors import OptionError
from sr4k.live.address import Address

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)

_SECURE = ("rtmps:", "rtsps:", "https:")


def is_secure(address: Address) -> bool:
    """Whether it is reached over TLS from the start; others may still send a reader on to one that is."""
    return address.url.lower().startswith(_SECURE)


def tls_options(address: Address) -> dict[str, str]:
    """Of libav's TLS: certificates are checked against the authorities that this machine trusts.

    ``SSL_CERT_FILE`` names others, as it does for OpenSSL: of a server that signed its certificate itself, that one.

    Raises:
        OptionError: the address needs authorities, and there are none.
    """
    bundle = _authorities()
    if bundle is not None:
        return {"tls_verify": "1", "ca_file": bundle}
    if is_secure(address):
        raise OptionError(
            "This machine trusts no certificate authorities: install ca-certificates, or name a file in SSL_CERT_FILE."
        )
    return {"tls_verify": "1"}


def _authorities() -> str | None:
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return next((path for path in (named, *_BUNDLES) if path and Path(path).is_file()), None)
