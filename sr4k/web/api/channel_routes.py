"""Live channels: how they are, and what can be done with one while the others run on."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path

from sr4k.service.channel_status import ChannelStatus
from sr4k.web.api.problems import responses
from sr4k.web.web_service import NoSuchChannel, WebService

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of the channel.")]


def router(service: WebService) -> APIRouter:
    """Return the routes of live channels."""
    made = APIRouter(prefix="/api/v1", tags=["channels"], responses=responses(422))

    @made.get("/channels")
    def channels() -> list[dict[str, Any]]:
        """Tell how all live channels are."""
        return [_about(service, name) for name in service.channel_names()]

    @made.get("/channels/{name}", responses=responses(404))
    def channel(name: Name) -> dict[str, Any]:
        """Tell how a live channel is."""
        if name not in service.channel_names():
            raise NoSuchChannel(f"There is no channel {name}.")
        return _about(service, name)

    @made.post("/channels/{name}/{action}", status_code=202, responses=responses(404))
    def act(name: Name, action: Literal["stop", "start", "restart"]) -> dict[str, Any]:
        """Stop a channel, start it again, or both; the answer does not wait for it."""
        channels = service.channels
        if channels is None or name not in channels.names:
            raise NoSuchChannel(f"There is no channel {name}.")
        {"stop": channels.halt, "start": channels.let_go_on, "restart": channels.restart}[action](name)
        return {"name": name, "halted": name in channels.halted}

    return made


def _about(service: WebService, name: str) -> dict[str, Any]:
    monitor = service.monitors().get(name)
    if monitor is None:
        return {"name": name, "halted": service.channels is not None and name in service.channels.halted}
    return _shown(service, monitor.status)


def _shown(service: WebService, status: ChannelStatus) -> dict[str, Any]:
    """Return a channel's status for JSON: that of ``/ready``, with its figures."""
    halted = service.channels is not None and status.name in service.channels.halted
    told: dict[str, Any] = {"name": status.name, "halted": halted, "began": status.began, **status.as_dict()}
    if status.graph is not None:
        told["intake"], told["playout"] = asdict(status.graph.intake), asdict(status.graph.playout)
        told["engine"] = None if status.graph.engine is None else status.graph.engine.as_dict()
        told["queues"] = dict(status.graph.queues)
    shown: dict[str, Any] = service.shown(_plain(told))
    return shown


def _plain(value: Any) -> Any:
    """Return data with text as its keys, and without infinities, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
