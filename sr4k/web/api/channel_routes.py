"""Live channels: how they are, and what can be done with one while the others run on."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from sr4k.service.channel_desk import Action, Channels, NoSuchChannel
from sr4k.service.channel_history import Span
from sr4k.web.api.problems import responses
from sr4k.web.web_service import WebService

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of the channel.")]


def router(service: WebService) -> APIRouter:
    """Return the routes of live channels."""
    made = APIRouter(prefix="/api/v1", tags=["channels"], responses=responses(422))

    def present(name: str) -> Channels:
        if service.channels is None:
            raise NoSuchChannel(f"There is no channel {name}.")
        return service.channels

    @made.get("/channels", responses=responses(503))
    def channels() -> list[dict[str, Any]]:
        """Tell how all live channels are, also those that were stopped."""
        return [] if service.channels is None else service.channels.overview()

    @made.get("/channels/{name}", responses=responses(404, 503))
    def channel(name: Name) -> dict[str, Any]:
        """Tell how a live channel is."""
        return present(name).one(name)

    @made.get("/channels/{name}/history", responses=responses(404, 503))
    def history(name: Name, span: Span = "hour") -> dict[str, Any]:
        """Show figures of the last hour or day, and the last lines of the log."""
        return present(name).history(name, span)

    @made.post("/channels/{name}/{action}", status_code=202, responses=responses(404, 503))
    def act(name: Name, action: Action) -> dict[str, Any]:
        """Stop a channel, start it again, or both; the answer does not wait for it."""
        return present(name).act(name, action)

    return made
