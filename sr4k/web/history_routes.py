"""The last hour of a live channel."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from sr4k.web.channel_history import ChannelHistory


def router(history: ChannelHistory) -> APIRouter:
    """Return the route."""
    made = APIRouter(prefix="/api/v1", tags=["channels"])

    @made.get("/channels/{name}/history")
    def of_channel(name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]) -> dict[str, Any]:
        """Show figures of the last hour, and the last lines of the log; of an unknown channel there are none."""
        return history.of(name)

    return made
