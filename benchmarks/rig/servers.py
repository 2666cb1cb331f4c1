"""Servers on loopback, each on a free port, that can be killed, frozen and started again."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_MODULES = (Path("/usr/lib/nginx/modules/ngx_rtmp_module.so"), Path("/usr/share/nginx/modules/ngx_rtmp_module.so"))

_NODE_MEDIA_SERVER = "4.4.3"

_LENT = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
"""Lowest port that the kernel gives to connections."""

_PORTS = range(10_000, max(20_000, _LENT))


class MissingServerError(Exception):
    """Raised when a server is not installed. The message says what to install."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a free port of 127.0.0.1; TCP by default.

    It is none that the kernel gives to connections, which would take it before the server that it is for.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket(type=kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _is_listening(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


class _Server:
    """A server process that listens on ``port`` of 127.0.0.1; a context manager."""

    _patience = 15.0
    """Seconds that it gets to start."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="rig-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self._folder.cleanup()

    def url(self, key: str, app: str = "live") -> str:
        """Return the RTMP address of a stream."""
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    def start(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            RuntimeError: It doesn't listen in time.
        """
        self._process = subprocess.Popen(
            self._command(),
            cwd=self._folder.name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._until_it(listens=True)

    def kill(self) -> None:
        """Kill all processes of the server and wait until nothing listens on its port.

        Raises:
            RuntimeError: Something still listens some time after.
        """
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._until_it(listens=False)  # its workers end a moment later

    def freeze(self) -> None:
        """Stop the server with SIGSTOP: its port accepts connections, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the server with SIGCONT."""
        self._signal(signal.SIGCONT)

    def _until_it(self, *, listens: bool) -> None:
        until = time.monotonic() + self._patience
        while _is_listening(self.port) != listens:
            if time.monotonic() > until:
                fault = "does not listen" if listens else "still listens after SIGKILL"
                raise RuntimeError(f"{type(self).__name__} {fault}")
            time.sleep(0.02)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _command(self) -> list[str]:
        raise NotImplementedError


class NginxRtmp(_Server):
    """nginx with its RTMP module. Applications: ``live``, tuned for live streams; ``plain``, with default settings.

    Raises:
        MissingServerError: nginx or its module is not installed.
    """

    def __init__(self) -> None:
        module = next((path for path in _MODULES if path.exists()), None)
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if module is None or nginx is None:
            raise MissingServerError("nginx with its RTMP module: apt-get install nginx libnginx-mod-rtmp")
        super().__init__()
        self._nginx = nginx
        folder = Path(self._folder.name)
        (folder / "logs").mkdir()
        tuned = "live on; wait_key on; wait_video on; interleave on; idle_streams off; play_restart on;"
        (folder / "nginx.conf").write_text(
            f"load_module {module}; worker_processes 1; daemon off; master_process on; pid {folder}/pid;\n"
            f"error_log {folder}/logs/error.log; events {{ worker_connections 128; }}\n"
            f"rtmp {{ access_log off; server {{ listen 127.0.0.1:{self.port}; chunk_size 4096;\n"
            f"  application live {{ {tuned} }}\n"
            f"  application plain {{ live on; }} }} }}\n"
        )

    def _command(self) -> list[str]:
        return [self._nginx, "-p", self._folder.name, "-c", f"{self._folder.name}/nginx.conf"]


class NodeMediaServer(_Server):
    """node-media-server, which supports HEVC and AV1 over enhanced RTMP; nginx doesn't.

    Raises:
        MissingServerError: Node.js or the server is not installed.
    """

    def __init__(self) -> None:
        if shutil.which("node") is None or not (_node_folder() / "node_modules" / "node-media-server").is_dir():
            raise MissingServerError("node-media-server: npm, and python -m rig.servers in benchmarks/")
        super().__init__()
        settings = {
            "bind": "127.0.0.1",
            "rtmp": {"port": self.port},
            "http": {"port": free_port()},
            "auth": {"play": False, "publish": False},
        }
        script = (
            f"const Server = require({json.dumps(str(_node_folder() / 'node_modules' / 'node-media-server'))});"
            f"new Server({json.dumps(settings)}).run();"
        )
        (Path(self._folder.name) / "run.js").write_text(script)

    def _command(self) -> list[str]:
        return ["node", f"{self._folder.name}/run.js"]


class S3Server(_Server):
    """moto's server of object storage, which keeps all in memory and takes any credentials.

    Raises:
        MissingServerError: it is not installed.
    """

    _patience = 90.0  # it imports much

    def __init__(self) -> None:
        if find_spec("moto") is None:
            raise MissingServerError("moto: pip install 'moto[server]'")
        super().__init__()

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which clients of S3 reach it; without credentials."""
        return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_REGION": "us-east-1"}

    def make_bucket(self, name: str) -> None:
        """Make a bucket."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        with urllib.request.urlopen(request, timeout=60):
            pass

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


class SilentServer:
    """A server that accepts connections and never sends a byte."""

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        for taken in self._taken:
            taken.close()

    def url(self, key: str, app: str = "live") -> str:
        """Return the RTMP address of a stream."""
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._taken.append(self._socket.accept()[0])


def install_node_media_server() -> None:
    """Install node-media-server with npm into the cache folder.

    Raises:
        subprocess.CalledProcessError: npm failed.
    """
    folder = _node_folder()
    folder.mkdir(parents=True, exist_ok=True)
    package = f"node-media-server@{_NODE_MEDIA_SERVER}"
    subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--prefix", str(folder), package], check=True)


def _node_folder() -> Path:
    return Path(os.environ.get("SR4K_NODE_MEDIA_SERVER", Path.home() / ".cache" / "sr4k-node-media-server"))


if __name__ == "__main__":
    install_node_media_server()
    sys.exit(0)
