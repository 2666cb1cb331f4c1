"""TLS for rtmps, rtsps, https and whips: certificate checks in libav and in Python, and why they failed."""

import os
import socket
import ssl
from contextlib import closing, suppress
from pathlib import Path

from sr4k.errors import OptionError
from sr4k.live.address import Address

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)

_PATIENCE = 3.0
"""Timeout in seconds of the diagnosis of a certificate."""


def is_secure(address: Address) -> bool:
    """Whether the first connection to an address uses TLS; plain addresses may still redirect to one that does."""
    return address.scheme is not None and address.scheme.has_tls


def tls_options(address: Address) -> dict[str, str]:
    """Return libav's TLS options: certificates are checked against the authorities that this machine trusts.

    ``SSL_CERT_FILE`` names others, as it does for OpenSSL; to trust a self-signed certificate, it names that one.

    Raises:
        OptionError: the address uses TLS, and this machine has no authorities or ``SSL_CERT_FILE`` is wrong.
    """
    bundle, trouble = _authorities(), _trouble_with_authorities()
    if trouble is not None and is_secure(address):
        raise OptionError(f"{trouble}: name another file, or unset it.")
    if bundle is not None:
        return {"tls_verify": "1", "ca_file": bundle}
    if not is_secure(address):
        return {"tls_verify": "1"}
    raise OptionError(
        "This machine trusts no certificate authorities: install ca-certificates, or name a file in SSL_CERT_FILE."
    )


def tls_context() -> ssl.SSLContext:
    """Return a context for Python's TLS with the same authorities; without any, every certificate is rejected."""
    bundle = _authorities()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if bundle is not None:
        with suppress(OSError):  # it holds no certificate
            context.load_verify_locations(bundle)
    return context


def distrusted(error: BaseException) -> str | None:
    """Return the wording of an error that a certificate caused, or ``None`` for any other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if (trouble := _trouble_with_authorities()) is not None:
            return f"its certificate is not trusted: {trouble}"
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    return None


def certificate_trouble(address: Address) -> str | None:
    """Return why the certificate of a server is rejected, or ``None`` if it isn't: libav reports no reason.

    Connects to the server once more, for its certificate alone.
    """
    if not is_secure(address):
        return None
    try:
        with (
            closing(socket.create_connection(address.host_and_port, _PATIENCE)) as plain,
            tls_context().wrap_socket(plain, server_hostname=address.host_and_port[0]),
        ):
            return None
    except OSError as err:  # includes TLS errors
        return distrusted(err)


def _trouble_with_authorities() -> str | None:
    """Return what is wrong with the file that ``SSL_CERT_FILE`` names, or ``None``."""
    named = os.environ.get("SSL_CERT_FILE")
    if not named:
        return None
    if not Path(named).is_file():
        return f"SSL_CERT_FILE names {named}, which is not a file"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(named)
    except ssl.SSLError:
        return f"SSL_CERT_FILE names {named}, which holds no certificate"
    except OSError as err:
        return f"SSL_CERT_FILE names {named}, which can't be read ({err.strerror})"
    return None


def _authorities() -> str | None:
    """Return the path of a file with the certificates of authorities, or ``None``."""
    if named := os.environ.get("SSL_CERT_FILE"):
        return named if Path(named).is_file() else None
    candidates = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in candidates if path and Path(path).is_file()), None)
