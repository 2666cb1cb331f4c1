"""What the page and the interface for programs work on: one object that both are given."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.settings import Library
from sr4k.service.channel_desk import Channels
from sr4k.web.errands import Errands


@dataclass(frozen=True, kw_only=True)
class WebService:
    """The parts of a service, as its page sees them. Whatever it is told of live channels holds no secret.

    Attributes:
        queue: jobs on files, and what happened.
        library: folders that may be read and written.
        settings: what users may change.
        scratch: folder for files that go with the service.
        channels: live channels; ``None``: there are none.
        errands: counts requests that take long.
        ending: set when the page ends, so that those who follow events let go.
    """

    queue: Queue
    library: Library
    settings: SettingsKeeper
    scratch: Path
    channels: Channels | None = None
    errands: Errands = field(default_factory=Errands)
    ending: threading.Event = field(default_factory=threading.Event)

    def inside(self, path: str) -> Path:
        """Return a path of the library; see `sr4k.queue.settings.Library.inside`."""
        return self.library.inside(path)
