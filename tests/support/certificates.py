"""Certificates that vouch for themselves, made by openssl."""

import ssl
import subprocess
from pathlib import Path

from needed import program

_NEW = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
HERE = "DNS:localhost,IP:127.0.0.1"


def write_certificate(folder: Path, name: str = "cert", *, names: str = HERE) -> tuple[Path, Path]:
    """One for these names, and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    files = ["-out", str(paths[0]), "-keyout", str(paths[1]), "-addext", f"subjectAltName={names}"]
    subprocess.run([program("openssl"), *_NEW.split(), *files], check=True, capture_output=True)
    return paths


def serving(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server shows it with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
