"""A certificate for the encryption of WHIP's media, new for each session; the offer has its fingerprint.

libav makes one itself. But that of FFmpeg 8.1 with GnuTLS, as in the wheels of PyAV 18, is of the curve P-224, which
OpenSSL rejects: there is no session with a server that uses it.
"""

import os
from datetime import UTC, datetime, timedelta

from sr4k.errors import OutputError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
except ImportError as err:
    raise OutputError("WHIP needs the package cryptography: pip install 'sr4k-stream[whip]'.") from err

_SLACK = timedelta(days=1)
"""How far the server's clock may be off."""

_VALID = timedelta(days=365)
"""Servers check it when a session begins."""


def certificate_options() -> dict[str, str]:
    """Return options of libav's muxer that name a new certificate and its key, which are in memory alone."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "WHIP")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - _SLACK, now + _VALID
    )
    certificate = builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"cert_file": _in_memory(certificate), "key_file": _in_memory(secret)}


def _in_memory(data: bytes) -> str:
    """Return the path of a file in memory, which is there as long as this process, which is one try."""
    number = os.memfd_create("whip")
    os.write(number, data)
    return f"/dev/fd/{number}"
