"""How a cluster is reached, and what is wanted of it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sr4k.common.option_names import option
from sr4k.errors import OptionError

_LOCAL = re.compile(r"local:([1-9]\d?)")
_ADDRESS = re.compile(r"(ray://)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})")

AUTO = "auto"
"""Address of the cluster that Ray knows of on this machine."""

PathMap = tuple[tuple[Path, Path], ...]
"""Folders here, each with the path under which the cluster's machines have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """A cluster, and how to use it.

    Attributes:
        address: ``auto``: the one that Ray knows of on this machine, or RAY_ADDRESS; ``HOST:PORT`` of its head;
            ``ray://HOST:PORT`` of its Ray Client; or ``local:N``, N machines of a private cluster on this one.
        path_map: folders that have another path on its machines.
        cpus: CPUs to ask for each segment; ``None``: what suits the machines.
        trusts: whether a cluster is used that asks for no token.

    Raises:
        OptionError: the address is of no such form, or the cluster's safety is in doubt.
    """

    address: str
    path_map: PathMap = ()
    cpus: int | None = None
    trusts: bool = False

    def __post_init__(self) -> None:
        """Check the address; for what it raises see the class."""
        if self.nodes is None and not _is_address(self.address):
            raise OptionError(
                f"{option('cluster')} can't be '{_shown(self.address)}': use auto, HOST:PORT, ray://HOST:PORT, or "
                "local:N for N machines on this one."
            )
        if self.nodes is None and not _is_address(self.head):
            raise OptionError(f"RAY_ADDRESS can't be '{_shown(self.head)}': use HOST:PORT or ray://HOST:PORT.")
        if not self.trusts and self.nodes is None and os.environ.get("RAY_AUTH_MODE") != "token":
            raise OptionError(
                "A Ray cluster without a token runs the code of whoever reaches its ports: set RAY_AUTH_MODE=token and "
                "RAY_AUTH_TOKEN_PATH here and on its machines (docs/cluster.md), or, in a network that nobody else is "
                f"in, add {option('cluster_without_token', True)}."
            )

    @property
    def head(self) -> str:
        """The address, or RAY_ADDRESS where it is ``auto`` and that is set."""
        return (os.environ.get("RAY_ADDRESS") if self.address == AUTO else None) or self.address

    @property
    def nodes(self) -> int | None:
        """Number of machines of a private cluster; ``None``: it is another one."""
        found = _LOCAL.fullmatch(self.address)
        return None if found is None else int(found[1])


def _is_address(text: str) -> bool:
    """Whether a text is an address of a head, or ``auto``."""
    found = _ADDRESS.fullmatch(text)
    return text == AUTO or (found is not None and found[2] != "local" and int(found[3]) <= 65535)


def _shown(text: str) -> str:
    """Return an address without a user and a password, which no address of Ray has."""
    return re.sub(r"[^/@]*@", "***@", text)


def parse_path_map(texts: Sequence[str]) -> PathMap:
    """Parse ``HERE=THERE`` for each folder.

    Raises:
        OptionError: one is of no such form, or not absolute.
    """
    found = []
    for text in texts:
        here, _, there = text.partition("=")
        if not (here.startswith("/") and there.startswith("/")):
            raise OptionError(f"'{text}' maps no folder: use {option('path_map')} /HERE=/THERE, with absolute paths.")
        found.append((Path(here), Path(there)))
    return tuple(found)


def mapped(path: Path, path_map: PathMap) -> Path:
    """Return the path that a file or folder has on the cluster's machines: by the longest folder that leads to it."""
    path = path.absolute()
    leading = [(here, there) for here, there in path_map if path.is_relative_to(here)]
    if not leading:
        return path
    here, there = max(leading, key=lambda pair: len(pair[0].parts))
    return there / path.relative_to(here)
