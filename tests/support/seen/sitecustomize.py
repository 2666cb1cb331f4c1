"""Record and forbid network access beyond this machine in every Python process with this folder on PYTHONPATH."""

import os
import sys
from pathlib import Path
from typing import Any


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if not host.startswith("127.") and host not in ("localhost", "::1", "None", ""):
        with Path(os.environ["SEEN_SENDING"]).open("a") as seen:
            seen.write(f"{host}\n")
        raise OSError(f"a test forbids to reach {host}")


sys.addaudithook(_watch)
