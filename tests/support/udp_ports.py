"""UDP ports of this machine, as the kernel lists them: a trial packet would disturb who listens."""

from pathlib import Path


def is_bound(port: int) -> bool:
    """Return whether a UDP socket is bound to this port."""
    sockets = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in sockets)
