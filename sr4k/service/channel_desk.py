"""All that a page asks of the live channels, and asks of them to do: plain data for JSON, without secrets."""

import base64
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Final, Literal, Protocol, get_args

from prometheus_client import generate_latest

from sr4k.common.logs import of_channel
from sr4k.errors import OptionError
from sr4k.live.steering import End, Steering
from sr4k.service.channel_editor import ChannelEditor
from sr4k.service.channel_history import ChannelHistory, Span
from sr4k.service.channel_status import ChannelMonitor, ChannelStatus
from sr4k.service.endpoint import readiness
from sr4k.service.prometheus import registry_of
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Ends

log = logging.getLogger(__name__)

Action = Literal["stop", "start", "restart"]
"""What can be done with a channel while the others run on."""

ACTIONS: Final = get_args(Action)

_DONE: Final[dict[Action, str]] = {"stop": "stopped", "start": "started", "restart": "restarted"}


class NoSuchChannel(OptionError):
    """There is no channel of that name."""


class Channels(Protocol):
    """Live channels, as a page sees them. All data is for JSON, and holds no secret."""

    def overview(self) -> list[dict[str, Any]]:
        """Return how all channels are, in the order of their names, also those that were stopped."""
        ...

    def one(self, name: str) -> dict[str, Any]:
        """Return how a channel is.

        Raises:
            NoSuchChannel: there is none of that name; as for all that take a name.
        """
        ...

    def history(self, name: str, span: Span) -> dict[str, Any]:
        """Return figures and log of a channel; see `sr4k.service.channel_history.ChannelHistory.of`."""
        ...

    def act(self, name: str, action: Action) -> dict[str, Any]:
        """Stop, start or restart a channel, without waiting for it; return how it is."""
        ...

    def show_slate(self, name: str, is_shown: bool) -> dict[str, Any]:
        """Send the slate in place of the source, or the source again; return how the channel is."""
        ...

    def switch_target(self, name: str, number: int, is_on: bool) -> dict[str, Any]:
        """Turn a target on or off, by its number from 1; return how the channel is.

        Raises:
            OptionError: there is no such target.
        """
        ...

    def pin_rung(self, name: str, rung: int | None) -> dict[str, Any]:
        """Stay at a rung of the ladder, from 0; ``None``: the machine's speed decides. Return how the channel is.

        Raises:
            OptionError: there is no such rung.
        """
        ...

    def picture(self, name: str, end: End) -> str | None:
        """Return a small picture of what comes in or goes out, as JPEG in base64; ``None``: there is none of late.

        Pictures are made, once a second, only while somebody asks.
        """
        ...

    def playlist(self, name: str, number: int) -> str:
        """Return the path of a target's playlist, by its number from 1.

        Raises:
            OptionError: there is no such target, or it is no playlist.
        """
        ...

    def file(self) -> dict[str, Any]:
        """Return the file of the channels without its keys; see `sr4k.service.channel_editor.ChannelEditor.shown`."""
        ...

    def check_file(self, text: str, version: str) -> dict[str, Any]:
        """Return what an edited file would change; see `sr4k.service.channel_editor.ChannelEditor.check`."""
        ...

    def save_file(self, text: str, version: str) -> dict[str, Any]:
        """Write an edited file, and let the channels follow; see `sr4k.service.channel_editor.ChannelEditor.save`."""
        ...

    def metrics(self) -> str:
        """Return what Prometheus reads; see `sr4k.service.prometheus`."""
        ...

    def readiness(self) -> dict[str, Any]:
        """Return the answer to ``/ready``; see `sr4k.service.endpoint`."""
        ...


class Runs(Protocol):
    """What runs the channels; see `sr4k.service.run_channels.Service`."""

    @property
    def monitors(self) -> Sequence[ChannelMonitor]:
        """Monitors of the present channels."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """Names of all channels, also of those that were stopped."""
        ...

    @property
    def halted(self) -> frozenset[str]:
        """Names of the channels that were stopped."""
        ...

    def ends(self, name: str) -> Ends:
        """Return the addresses of a channel, as they may be shown."""
        ...

    def steering(self, name: str) -> Steering:
        """Return what operators want of a channel."""
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


class ChannelDesk:
    """`Channels` that run in this process. Any thread may use it.

    Args:
        runs: what runs them.
        history: of the channels.
        redaction: hides secrets in reasons and errors.
        editor: of their file; ``None``: there is none to edit.
    """

    def __init__(
        self, runs: Runs, history: ChannelHistory, redaction: Redaction, editor: ChannelEditor | None = None
    ) -> None:
        self._runs, self._history, self._redaction, self._editor = runs, history, redaction, editor
        self._registry = registry_of(runs.monitors)

    def overview(self) -> list[dict[str, Any]]:
        """See `Channels`."""
        monitors, found = self._monitors(), []
        for name in sorted(self._runs.names):
            with suppress(NoSuchChannel):  # the file has been read again meanwhile, and has it no more
                found.append(self._about(name, monitors.get(name)))
        return found

    def one(self, name: str) -> dict[str, Any]:
        """See `Channels`."""
        self._check(name)
        return self._about(name, self._monitors().get(name))

    def history(self, name: str, span: Span) -> dict[str, Any]:
        """See `Channels`."""
        self._check(name)
        found: dict[str, Any] = _plain(self._history.of(name, span))
        return found

    def act(self, name: str, action: Action) -> dict[str, Any]:
        """See `Channels`."""
        self._check(name)
        with of_channel(name):
            log.info("%s by an operator", _DONE[action], extra={"event": "operator"})
        runs = self._runs
        {"stop": runs.halt, "start": runs.let_go_on, "restart": runs.restart}[action](name)
        return self.one(name)

    def show_slate(self, name: str, is_shown: bool) -> dict[str, Any]:
        """See `Channels`."""
        self._steering(name).change(lambda wishes: replace(wishes, slate=is_shown))
        return self.one(name)

    def switch_target(self, name: str, number: int, is_on: bool) -> dict[str, Any]:
        """See `Channels`."""
        steering, known = self._steering(name), len(self._runs.ends(name).targets)
        if not 1 <= number <= known:
            raise OptionError(f"Channel {name} has no target {number}: it has {known}.")
        one = {number}
        steering.change(lambda wishes: replace(wishes, off=wishes.off - one if is_on else wishes.off | one))
        return self.one(name)

    def pin_rung(self, name: str, rung: int | None) -> dict[str, Any]:
        """See `Channels`."""
        steering, monitor = self._steering(name), self._monitors().get(name)
        rungs = () if monitor is None else monitor.status.last.intake.rungs
        if rung is not None and not 0 <= rung < len(rungs):
            raise OptionError(f"Channel {name} has no rung {rung} now: it has {len(rungs)}, from 0.")
        steering.change(lambda wishes: replace(wishes, rung=rung))
        return self.one(name)

    def picture(self, name: str, end: End) -> str | None:
        """See `Channels`."""
        picture = self._steering(name).look(end)
        return base64.b64encode(picture).decode() if picture else None

    def playlist(self, name: str, number: int) -> str:
        """See `Channels`."""
        self._check(name)
        path = self._runs.ends(name).playlists.get(number - 1)
        if path is None:
            raise OptionError(f"Channel {name} has no playlist as target {number}.")
        return str(path)

    def file(self) -> dict[str, Any]:
        """See `Channels`."""
        return self._its_editor().shown()

    def check_file(self, text: str, version: str) -> dict[str, Any]:
        """See `Channels`."""
        return self._its_editor().check(text, version)

    def save_file(self, text: str, version: str) -> dict[str, Any]:
        """See `Channels`."""
        return self._its_editor().save(text, version)

    def metrics(self) -> str:
        """See `Channels`."""
        return generate_latest(self._registry).decode()

    def readiness(self) -> dict[str, Any]:
        """See `Channels`."""
        return readiness(self._runs.monitors, self._redaction)

    def _its_editor(self) -> ChannelEditor:
        if self._editor is None:
            raise OptionError("These channels have no file to edit.")
        return self._editor

    def _monitors(self) -> dict[str, ChannelMonitor]:
        return {each.status.name: each for each in list(self._runs.monitors)}

    def _steering(self, name: str) -> Steering:
        try:
            return self._runs.steering(name)
        except KeyError:
            raise NoSuchChannel(f"There is no channel {name}.") from None

    def _check(self, name: str) -> None:
        if name not in self._runs.names:
            raise NoSuchChannel(f"There is no channel {name}.")

    def _about(self, name: str, monitor: ChannelMonitor | None) -> dict[str, Any]:
        """Return a channel's status: that of ``/ready``, with its figures."""
        halted, ends, wishes = name in self._runs.halted, self._runs.ends(name), self._steering(name).wishes
        told: dict[str, Any] = {"name": name, "halted": halted, "wishes": {**asdict(wishes), "off": sorted(wishes.off)}}
        if monitor is None:
            told |= {"phase": "stopped" if halted else "starting", "ready": False, "up": False, "began": 0.0}
        else:
            told |= _told(monitor.status)
        if "in" not in told:  # whoever is not running has its ends all the same
            told["in"] = {"source": ends.source, "state": "stopped", "reason": None}
        if not told.get("out"):  # they are opened after the first picture
            state = "stopped" if told["in"]["state"] == "stopped" else "idle"
            told["out"] = [{"target": target, "state": state, "reason": None} for target in ends.targets]
        for index, out in enumerate(told["out"]):
            # A channel that is about to be replaced still has the targets of the file before.
            if index in ends.playlists and out["target"] == ends.targets[index]:
                out["playlist"] = True
        about: dict[str, Any] = self._shown(_plain(told))
        return about

    def _shown(self, answer: Any) -> Any:
        """Return a copy of an answer without secrets in any of its texts."""
        if isinstance(answer, str):
            return self._redaction.text(answer)
        if isinstance(answer, dict):
            return {key: self._shown(value) for key, value in answer.items()}
        return [self._shown(each) for each in answer] if isinstance(answer, list) else answer


def _told(status: ChannelStatus) -> dict[str, Any]:
    told: dict[str, Any] = {"began": status.began, **status.as_dict()}
    if status.graph is not None:
        told["intake"], told["playout"] = asdict(status.graph.intake), asdict(status.graph.playout)
        told["engine"] = None if status.graph.engine is None else status.graph.engine.as_dict()
        told["queues"] = dict(status.graph.queues)
    return told


def _plain(value: Any) -> Any:
    """Return data with text as its keys, and without infinities, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
