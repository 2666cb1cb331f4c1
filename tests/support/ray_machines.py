"""A Ray cluster as an operator starts it: ``ray start --head`` and ``ray start --address``, with a token."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START = 90.0


@dataclass(frozen=True)
class Started:
    """A cluster that runs. ``environment``: variables by which it is reached, also as ``auto``."""

    head: str
    client: str
    environment: dict[str, str]


@contextmanager
def started() -> Iterator[Started]:
    """Start a head that makes segments and a second machine, both on this one; stop both at the end."""
    folder = Path(tempfile.mkdtemp(prefix="sr4k-"))  # short: sockets below it have at most 107 characters
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    }
    head, client = free_port(), free_port()
    machines: list[subprocess.Popen[bytes]] = []

    def start(name: str, *options: str) -> None:
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *options]
        with (folder / f"{name}.log").open("wb") as log:
            given = os.environ | environment
            machines.append(subprocess.Popen(command, env=given, cwd=folder, stdout=log, stderr=subprocess.STDOUT))
        until = time.monotonic() + START
        while b"--block" not in (said := (folder / f"{name}.log").read_bytes()):
            assert machines[-1].poll() is None and time.monotonic() < until, said.decode()
            time.sleep(0.1)

    try:
        start("head", "--head", f"--port={head}", f"--ray-client-server-port={client}", "--include-dashboard=false")
        start("second", f"--address=127.0.0.1:{head}")
        yield Started(head=f"127.0.0.1:{head}", client=f"ray://127.0.0.1:{client}", environment=environment)
    finally:
        for machine in reversed(machines):
            machine.terminate()
        for machine in machines:
            machine.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """Return a port that nobody uses, below those of Ray's workers."""
    for port in range(6400 + os.getpid() % 1000, 10000):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port
    raise AssertionError("there is no free port")


_GIVEN: set[int] = set()
