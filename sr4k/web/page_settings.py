"""What the process with the page is given when it is started."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from sr4k.web.access import Access


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """Settings of a page.

    Attributes:
        access: who may use it.
        listening: the socket that it serves.
        queue: file of the queue.
        roots: folders of the library.
        scratch: folder for files that go with the service.
        has_channels: whether there are live channels to show.
    """

    access: Access
    listening: socket.socket = field(repr=False)
    queue: Path
    roots: tuple[Path, ...]
    scratch: Path
    has_channels: bool
