"""A video, a cluster of hosts, and the command that has them make it: what tests and benchmarks break."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
import yaml

from rig.processes import with_variable
from rig.ray_hosts import Host, RayHosts
from rig.servers import MissingServerError
from sr4k import configs
from sr4k.media.resume.job_folder import folder_of

RATE = 10
SECONDS = 300.0
"""Time that a command gets."""


def source_of(folder: Path, seconds: int) -> Path:
    """Write a video of so many seconds with sound, each with a key frame at its start; return its path."""
    path = folder / "source.mkv"
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=RATE, options={"g": str(RATE), "bf": "0", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt, video.time_base = 320, 180, "yuv420p", Fraction(1, RATE)
        sound = target.add_stream("aac", rate=8000)
        for number in range(seconds * RATE):
            rgb = noise.integers(0, 255, (18, 32, 3), np.uint8).repeat(10, 0).repeat(10, 1)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            target.mux(video.encode(frame))
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 8000, number * 800, Fraction(1, 8000)
            target.mux(sound.encode(heard))
        target.mux([*video.encode(None), *sound.encode(None)])
    return path


def packets(path: Path) -> list[tuple[int, int | None, bytes]]:
    """Return stream, pts and bytes of all packets."""
    with av.open(str(path)) as opened:
        return [(each.stream.index, each.pts, bytes(each)) for each in opened.demux() if each.dts is not None]


class Command:
    """``sr4k-stream`` as a user gives it, with segments of a second each; ``target``: its result."""

    def __init__(
        self,
        source: Path,
        target: Path,
        *options: str,
        prefix: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.target = target
        self._mark = {"RIG_COMMAND": str(target)}
        self._said = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 - as long as the command
        self._result = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115
        program = str(Path(sys.executable).with_name("sr4k-stream"))
        wanted = [str(source), str(target), "--config", str(_preset(source.parent)), "--size", "640x360", "--json"]
        self._process = subprocess.Popen(
            [*(prefix or []), program, *wanted, *options],
            stdin=subprocess.DEVNULL,
            stdout=self._result,
            stderr=self._said,
            env={**os.environ, **(environment or {}), **self._mark},
            start_new_session=True,
        )

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    @property
    def made(self) -> int:
        """Number of segments that are finished."""
        parts = folder_of(self.target)
        return len(list(parts.glob("[0-9]*.packets"))) + len(list(parts.glob("pool/*.json")))

    @property
    def begun(self) -> int:
        """Number of segments that were begun, and are not finished."""
        keys = {folder.name.split(".")[0] for folder in folder_of(self.target).glob("pool/*.*/") if folder.is_dir()}
        return sum(len(key) == 32 and not (folder_of(self.target) / "pool" / f"{key}.json").exists() for key in keys)

    @property
    def summary(self) -> dict[str, Any]:
        """What it prints as JSON; nothing, if it failed."""
        text = Path(self._result.name).read_text()
        found: dict[str, Any] = json.loads(text) if text.strip() else {}
        return found

    @property
    def told(self) -> list[str]:
        """The lines that the user has read so far."""
        return Path(self._said.name).read_text().splitlines()

    def wait(self) -> list[str]:
        """Wait for its end; return the lines that the user reads."""
        self._process.wait(SECONDS)
        return self.told

    def until_told(self, *words: str) -> None:
        """Wait until the user has read each of these words.

        Raises:
            RuntimeError: the command has ended before, or it takes too long.
        """
        until = time.monotonic() + SECONDS
        while not all(any(each in line for line in self.told) for each in words):
            if self.has_ended or time.monotonic() > until:
                raise RuntimeError(f"{words} was not told, but {self.told}")
            time.sleep(0.1)

    def kill(self, text: str = "") -> None:
        """Kill it, or of its processes those whose command line contains a text."""
        if self.has_ended:
            return
        found = [number for number, command in with_variable(f"RIG_COMMAND={self.target}") if text in command]
        for process in found if text else [self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def left(self) -> list[str]:
        """Return the command lines of its processes that are there."""
        return [command for _, command in with_variable(f"RIG_COMMAND={self.target}")]


class Scene:
    """A cluster whose hosts see the folder of the result at another path each has mounted; a context manager.

    Args:
        cluster: a cluster without hosts, not started.
        source: the video.
        hosts: number of hosts.
    """

    def __init__(self, cluster: RayHosts, source: Path, *, hosts: int) -> None:
        self.cluster, self._source, self._hosts = cluster, source, hosts
        self._work = Path(tempfile.mkdtemp(prefix="work-", dir=source.parent))
        self._there = Path(tempfile.mkdtemp(prefix="there-", dir=source.parent))
        self._commands: list[Command] = []

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            MissingServerError: this machine allows no namespaces.
        """
        can = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
        if can.returncode:
            raise MissingServerError(f"mount namespaces: {can.stderr.strip()}")
        self.cluster.__enter__()
        self._begin_hosts()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cluster.__exit__()
        for folder in (self._work, self._there):
            shutil.rmtree(folder, ignore_errors=True)

    def start(self) -> None:
        """Start the cluster that was stopped."""
        self.cluster.start()
        self._begin_hosts()

    def _begin_hosts(self) -> None:
        for host in [self.cluster.begin(self.mounts()) for _ in range(self._hosts)]:
            host.wait()

    def mounts(self, room: str | None = None) -> list[str]:
        """Return the beginning of a host's command that mounts the folder. ``room``: size of a small disk over it."""
        script = f"mount --bind {self._work} {self._there}"
        if room is not None:
            disk = tempfile.mkdtemp(prefix="disk-", dir=self._source.parent)
            folders = f"lowerdir={self._work},upperdir={disk}/upper,workdir={disk}/work"
            script = (
                f"mount -t tmpfs -o size={room} disk {disk} && mkdir {disk}/upper {disk}/work && "
                f"mount -t overlay -o {folders} over {self._there}"
            )
        return ["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh"]

    def unmount(self, host: Host) -> None:
        """Take the folder away from a host."""
        first = str(host.processes("raylet")[0])
        subprocess.run(["nsenter", "-m", "-t", first, "umount", "-l", str(self._there)], check=True)

    def command(self, *options: str) -> Command:
        """Begin the command."""
        command = Command(
            self._source,
            self._work / "out.mkv",
            "--cluster",
            self.cluster.address,
            "--path-map",
            f"{self._work}={self._there}",
            *options,
            prefix=self.cluster.network.inside(0),
            environment=self.cluster.environment,
        )
        self._commands.append(command)
        return command

    def busy(self, command: Command) -> Host:
        """Wait until a segment is finished; return a host that makes one."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and not command.has_ended:
            working = [host for host in self.cluster.hosts if host.work()]
            if command.made and working:
                return working[0]
            time.sleep(0.1)
        raise RuntimeError(f"no host makes a segment: {command.wait()}")

    def leftovers(self, seconds: float = 10) -> list[str]:
        """Return what runs on the hosts, or of the command, that should have ended; wait so many seconds for it."""
        until = time.monotonic() + seconds
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(0.5)
        return left

    def _left(self) -> list[str]:
        work = [text for host in self.cluster.hosts for text in host.work_lines()]
        return work + [text for command in self._commands if command.has_ended for text in command.left()]

    def is_equal(self, one: Path) -> bool:
        """Whether the result has the packets of another file, and nothing else is in its folder."""
        target = self._work / "out.mkv"
        return target.exists() and packets(target) == packets(one) and list(self._work.iterdir()) == [target]


def alone(source: Path, target: Path) -> None:
    """Make the video without a cluster."""
    command = Command(source, target)
    said = command.wait()
    assert target.exists(), said


def _preset(folder: Path) -> Path:
    path = folder / "preset.yaml"
    if not path.exists():
        preset = yaml.safe_load((Path(configs.__path__[0]) / "file.yaml").read_text())
        preset["engine"]["name"] = "nearest"
        preset["encode"] |= {"segment_seconds": 1, "preset": "slow", "crf": 12}
        path.write_text(yaml.safe_dump(preset, sort_keys=False))
    return path
