"""What the page and the interface for programs work on: one object that both are given."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sr4k.errors import OptionError
from sr4k.queue.job_queue import Queue
from sr4k.queue.keeper import SettingsKeeper
from sr4k.queue.settings import Library
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction


class NoSuchChannel(OptionError):
    """There is no channel of that name."""


class Channels(Protocol):
    """The live channels of the service; see `sr4k.service.run_channels.Service`."""

    @property
    def monitors(self) -> Sequence[ChannelMonitor]:
        """Monitors of the present channels; their ``status`` is the latest."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Names of all channels, also of those that were stopped."""
        ...

    @property
    def halted(self) -> frozenset[str]:
        """Names of the channels that were stopped by `halt`."""
        ...

    def halt(self, name: str) -> None:
        """Stop a channel as SIGTERM does, until `let_go_on`."""
        ...

    def let_go_on(self, name: str) -> None:
        """Start a channel that was stopped."""
        ...

    def restart(self, name: str) -> None:
        """Stop a channel, and start it again."""
        ...


@dataclass(frozen=True, kw_only=True)
class WebService:
    """The parts of a service.

    Attributes:
        queue: jobs on files, and what happened.
        library: folders that may be read and written.
        settings: what users may change.
        channels: live channels; ``None``: there are none.
        redaction: hides secrets in whatever text leaves the service.
        ending: set when the service ends, so that those who follow events let go.
    """

    queue: Queue
    library: Library
    settings: SettingsKeeper
    channels: Channels | None = None
    redaction: Redaction = field(default_factory=Redaction)
    ending: threading.Event = field(default_factory=threading.Event)

    def monitors(self) -> Mapping[str, ChannelMonitor]:
        """Return the monitors of the live channels, by name."""
        return {} if self.channels is None else {each.status.name: each for each in list(self.channels.monitors)}

    def channel_names(self) -> list[str]:
        """Return the names of all live channels, also of those that were stopped, in order."""
        return [] if self.channels is None else sorted(self.channels.names)

    def shown(self, answer: Any) -> Any:
        """Return a copy of an answer for JSON, without secrets in any of its texts."""
        if isinstance(answer, str):
            return self.redaction.text(answer)
        if isinstance(answer, dict):
            return {key: self.shown(value) for key, value in answer.items()}
        return [self.shown(each) for each in answer] if isinstance(answer, list | tuple) else answer

    def inside(self, path: str) -> Path:
        """Return a path of the library; see `sr4k.queue.settings.Library.inside`."""
        return self.library.inside(path)
