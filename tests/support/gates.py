"""Gates at which the hosts of a cluster wait in the middle of a segment, until a test lets them through."""

import os
from pathlib import Path

from rig.channel import eventually
from rig.cluster_scene import Command
from rig.ray_hosts import Host

_HOOKED = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "gated"), os.environ.get("PYTHONPATH", "")])}


def slow_while(flag: Path) -> dict[str, str]:
    """Return variables for machines of a cluster that take their time for each frame while a file is there."""
    return _HOOKED | {"SLOW": str(flag)}


class Gates:
    """A gate for each host; all are closed at first.

    Args:
        folder: an empty folder for notes of who waits.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the hosts."""
        return _HOOKED | {"GATES": str(self._folder)}

    def open(self, host: Host) -> None:
        """Let all through that a host makes."""
        (self._folder / f"{host.name}.open").touch()

    def waiting(self, host: Host) -> set[str]:
        """Return the processes that have waited at a host's gate."""
        return {path.suffix for path in self._folder.glob(f"{host.name}.*")} - {".open"}

    def until_waiting(self, host: Host, command: Command, *, processes: int = 1) -> None:
        """Wait until so many processes that make segments for a command have come to a host's gate, one by one."""
        eventually(lambda: len(self.waiting(host)) >= processes or command.has_ended, 200, host.name)
        assert not command.has_ended, command.told
