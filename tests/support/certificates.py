"""Make self-signed certificates with openssl."""

import ssl
import subprocess
from pathlib import Path

from needed import program

_NEW = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
HERE = "DNS:localhost,IP:127.0.0.1"


def write_certificate(folder: Path, name: str = "cert", *, names: str = HERE) -> tuple[Path, Path]:
    """Write a certificate for ``names`` and its key; return both paths."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    files = ["-out", str(paths[0]), "-keyout", str(paths[1]), "-addext", f"subjectAltName={names}"]
    subprocess.run([program("openssl"), *_NEW.split(), *files], check=True, capture_output=True)
    return paths


def serving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Return a TLS context for a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
