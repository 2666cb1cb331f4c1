"""Hosts of a Ray cluster on this machine, each with processes of its own, that can be killed, frozen and cut off."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from rig.processes import with_variable
from rig.servers import MissingServerError, free_port

_MARK = "RIG_RAY_HOST"
"""Environment variable that all processes of a host carry."""

_SECONDS = 90.0
"""Time that a host gets to start."""


class Loopback:
    """All hosts share this machine's network; each has an address of its own on the loopback."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def address(self, number: int) -> str:
        """Return the address of a host; number 0 is the head."""
        return f"127.0.0.{number + 2}"  # Ray replaces 127.0.0.1 by another

    def inside(self, number: int) -> list[str]:  # noqa: ARG002 - for the others
        """Return the beginning of a command that is to run on a host."""
        return []


class Namespaces:
    """Each host has a network of its own, which a cable joins to a bridge on the head's.

    Raises:
        MissingServerError: this machine allows no namespaces.
    """

    def __init__(self) -> None:
        self._name = f"rig{secrets.token_hex(2)}"
        self._made: list[str] = []

    def __enter__(self) -> Self:
        try:
            self.inside(0)
            head = self._made[0]
            _ip(f"-n {head} link add bridge type bridge")
            _ip(f"-n {head} address add {self.address(0)}/24 dev bridge")
            _ip(f"-n {head} link set bridge up")
        except (OSError, subprocess.SubprocessError) as err:
            self.__exit__()
            said = getattr(err, "stderr", None) or str(err)
            raise MissingServerError(f"network namespaces: {said.strip()}") from err
        return self

    def __exit__(self, *exc: object) -> None:
        for name in self._made:
            with suppress(OSError, subprocess.SubprocessError):
                _ip(f"netns delete {name}")
        self._made.clear()

    def address(self, number: int) -> str:
        """Return the address of a host; number 0 is the head."""
        return f"10.213.0.{number + 1}"

    def inside(self, number: int) -> list[str]:
        """Return the beginning of a command that is to run on a host, whose network is made at first."""
        while len(self._made) <= number:
            self._add(len(self._made))
        return ["ip", "netns", "exec", self._made[number]]

    def cut(self, number: int) -> None:
        """Take the cable of a host away; nobody tells those who talk to it."""
        _ip(f"-n {self._made[number]} link set cable down")

    def _add(self, number: int) -> None:
        name = f"{self._name}-{number}"
        _ip(f"netns add {name}")
        self._made.append(name)
        _ip(f"-n {name} link set lo up")
        if number:
            head = self._made[0]
            _ip(f"-n {head} link add cable{number} type veth peer name cable netns {name}")
            _ip(f"-n {head} link set cable{number} master bridge up")
            _ip(f"-n {name} address add {self.address(number)}/24 dev cable")
            _ip(f"-n {name} link set cable up")


class Host:
    """One of the hosts."""

    def __init__(self, name: str, number: int, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name, self.number, self.is_frozen = name, number, False
        self._mark = f"{_MARK}={name}-{secrets.token_hex(4)}"
        self._log = tempfile.NamedTemporaryFile("w+", prefix=f"rig-{name}-")  # noqa: SIM115 - as long as the host
        variable, value = self._mark.split("=")
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment, variable: value},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it has started.

        Raises:
            RuntimeError: it didn't, or not in time.
        """
        until = time.monotonic() + _SECONDS
        while "Ray runtime started" not in (said := Path(self._log.name).read_text()):
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not start: {said[-2000:]}")
            time.sleep(0.1)

    def processes(self, text: str = "") -> list[int]:
        """Return the processes of this host whose command line contains a text, from the first."""
        return [number for number, command in with_variable(self._mark) if text in command]

    def commands(self) -> list[str]:
        """Return the command lines of its processes."""
        return [command for _, command in with_variable(self._mark)]

    def signal(self, number: int, text: str = "") -> int:
        """Send a signal to its processes whose command line contains a text, and return how many there were."""
        found = self.processes(text)
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return len(found)

    def work(self) -> list[int]:
        """Return the processes that make segments on it: all that are not Ray's own."""
        return [number for number, command in with_variable(self._mark) if is_work(command)]

    def work_lines(self) -> list[str]:
        """Return their command lines."""
        return [command for _, command in with_variable(self._mark) if is_work(command)]

    def kill_work(self) -> None:
        """Kill the process that Ray has started for a segment, and none that this one has started."""
        self.signal(signal.SIGKILL, "ray::made_by")

    def crash(self) -> None:
        """Kill Ray's own process of this host, and none that this one has started."""
        self.signal(signal.SIGKILL, "raylet/raylet ")

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut does."""
        self.signal(signal.SIGSTOP)  # so that none starts another meanwhile
        while self.signal(signal.SIGKILL):
            self._process.poll()
            time.sleep(0.02)
        self._process.wait()
        self._log.close()

    def freeze(self) -> None:
        """Stop all its processes."""
        self.is_frozen = True
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self.signal(signal.SIGCONT)
        self.is_frozen = False


class RayHosts:
    """A cluster of hosts, with a head that makes no segments; a context manager.

    Args:
        hosts: number of hosts beside the head.
        network: how they reach each other.
        environment: further variables for all of them.

    Attributes:
        environment: variables by which a process reaches the cluster, also as ``auto``.
    """

    def __init__(
        self,
        hosts: int,
        *,
        network: Loopback | Namespaces | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._wanted = hosts
        self.network = network or Loopback()
        self.folder = Path(tempfile.mkdtemp(prefix="rig-"))  # short: sockets below it have at most 107 characters
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_TMPDIR": str(self.folder),
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper": "true",
            **(environment or {}),
        }
        self.port = 6379 if isinstance(self.network, Namespaces) else free_port()
        self._client_port = 10001 if isinstance(self.network, Namespaces) else free_port()
        self._all: list[Host] = []
        self._names = 0

    def __enter__(self) -> Self:
        try:
            self.network.__enter__()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for host in self._all:
            host.kill()
        self.network.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """Address of the head."""
        return f"{self.network.address(0)}:{self.port}"

    @property
    def client_address(self) -> str:
        """Address of the head for Ray Client."""
        return f"ray://{self.network.address(0)}:{self._client_port}"

    @property
    def head(self) -> Host:
        """The host that the others report to."""
        return next(host for host in reversed(self._all) if host.name == "head")

    @property
    def hosts(self) -> list[Host]:
        """The hosts beside the head that have processes."""
        return [host for host in self._all if host.name != "head" and host.processes()]

    def start(self) -> None:
        """Start the head, and as many hosts as were wanted."""
        head = ["--head", f"--port={self.port}", f"--ray-client-server-port={self._client_port}", "--num-cpus=0"]
        self._host("head", 0, [*head, "--include-dashboard=false"]).wait()
        for host in [self.begin() for _ in range(self._wanted)]:
            host.wait()

    def begin(self, prefix: Sequence[str] = (), cpus: int = 1) -> Host:
        """Begin to start another host, and return it. ``prefix``: beginning of its command."""
        self._names += 1
        own = self.folder / str(self._names)  # two that begin at once would choose the same names for their sockets
        options = [f"--address={self.address}", f"--num-cpus={cpus}", f"--temp-dir={own}"]
        return self._host(f"host{self._names}", self._names, options, prefix)

    def stop(self) -> None:
        """Kill all hosts; `start` starts others, at the same address."""
        for host in self._all:
            host.kill()
        self._all.clear()

    def _host(self, name: str, number: int, options: list[str], prefix: Sequence[str] = ()) -> Host:
        command = [
            *self.network.inside(number),
            *prefix,
            str(Path(sys.executable).with_name("ray")),
            "start",
            "--block",
            f"--node-ip-address={self.network.address(number)}",
            "--min-worker-port=0",
            "--max-worker-port=0",
            "--include-log-monitor=false",
            "--object-store-memory=80000000",
            *options,
        ]
        host = Host(name, number, command, self.environment)
        self._all.append(host)
        return host


def is_work(command: str) -> bool:
    """Whether a command line is that of a process that makes a segment, or of one that this has started."""
    return "ray::made_by" in command or "import ctypes" in command


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True, capture_output=True, text=True)
