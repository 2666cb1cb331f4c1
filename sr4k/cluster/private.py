"""A private cluster on this machine, to try things out: several of Ray's nodes, which listen on the loopback alone."""

import ctypes
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import BinaryIO

from sr4k.common.owned_folder import OwnedFolder, owned_folder
from sr4k.engines.cpu import granted_cpus
from sr4k.errors import MachineError
from sr4k.pipeline.spawning import spawn

_START = 120.0
"""Maximum seconds that Ray gets to start its nodes."""

LOOPBACK = "127.0.0.1"

_LOG = "nodes.log"


@contextmanager
def private_cluster(nodes: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Start a cluster of so many nodes, among which this machine's CPUs are shared; stop it at the end.

    Yields:
        Its address, and the environment variables by which a process reaches it.

    Raises:
        MachineError: Ray did not start.
    """
    with owned_folder() as own, _running(nodes, own) as reached:
        yield reached


@contextmanager
def _running(nodes: int, own: OwnedFolder) -> Iterator[tuple[str, dict[str, str]]]:
    """Run such a cluster, whose files are in a folder that its process owns too: it may outlive a killed command."""
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as on those systems, "127.0.0.1" is not replaced by another address
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": str(round(_START)),
        "RAY_TMPDIR": str(own.path),
        "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
    }
    log = own.path / "ray" / _LOG
    ours, theirs = Pipe()
    process = None
    try:
        cpus = max(1, granted_cpus() // nodes)
        fds = [theirs.fileno(), own.lock]
        process, pipe = spawn(__name__, f"{theirs.fileno()} {nodes} {cpus}", fds=fds, apart=True)
        theirs.close()
        pipe.close()  # which sends what `spawn` has written
        ours.send(environment)
        if not ours.poll(_START):
            raise MachineError(f"Ray did not start within {_START:.0f} seconds: {_last_line(log)}.")
        try:
            address = ours.recv()
        except EOFError:
            raise MachineError(f"Ray did not start its nodes: {_last_line(log)}.") from None
        yield address, environment
    finally:
        ours.close()  # it ends then
        if process is not None:
            process.wait()


def run(name: str, pipe: BinaryIO) -> None:  # noqa: ARG001 - all comes through the other one
    """Run the nodes until the other end of the connection is closed; the main function of a process."""
    descriptor, nodes, cpus = map(int, name.split())
    connection = Connection(descriptor)
    environment: dict[str, str] = connection.recv()
    ctypes.CDLL(None).prctl(1, 0)  # it ends with the connection, and its nodes with it: killed, it would leave some
    os.environ.update(environment)
    home = Path(environment["RAY_TMPDIR"], "ray")
    home.mkdir()
    os.chdir(home)
    with (home / _LOG).open("w") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    from ray.cluster_utils import Cluster  # only now, as it reads the environment

    usual = {"node_ip_address": LOOPBACK, "include_dashboard": False, "include_log_monitor": False}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "no_monitor": True, "temp_dir": str(home), **usual},
    )
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=cpus, wait=False, **usual)
        connection.send(cluster.address)
        connection.poll(None)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    shutil.rmtree(home.parent, ignore_errors=True)  # the command, which does the same, may have been killed


def _last_line(log: Path) -> str:
    """Return the last line of a log, without its full stop."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1].rstrip(".") if lines else "it says nothing about it"
