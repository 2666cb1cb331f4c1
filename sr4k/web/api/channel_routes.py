"""Live channels: how they are, and what can be done with one while the others run on."""

import base64
import re
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from sr4k.live.steering import End
from sr4k.service.channel_desk import Action, Channels, NoSuchChannel
from sr4k.service.channel_history import Span
from sr4k.web.api.problems import responses
from sr4k.web.web_service import WebService

Number = Annotated[int, Path(ge=1, le=1000, description="Number of the target, from 1, as in the file.")]
PartName = Annotated[str, Path(pattern=r"^[^./\\][^/\\]{0,200}\.(m3u8|ts|m4s|mp4)$", description="Name of a file.")]
_SEGMENT = re.compile(r".+-(?:init-)?\d{10,}\.(?:ts|m4s|mp4)")
"""Names that our segments have: nothing else in the folder of a playlist is sent."""

_KINDS = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".m4s": "video/mp4",
    ".mp4": "video/mp4",
}
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of the channel.")]


class Slate(BaseModel):
    """``shown``: whether the slate, and silence, is sent in place of the source."""

    model_config = ConfigDict(extra="forbid", strict=True)
    shown: bool


class Switch(BaseModel):
    """``on``: whether the target gets the stream."""

    model_config = ConfigDict(extra="forbid", strict=True)
    on: bool


class Pin(BaseModel):
    """``rung``: rung of the ladder to stay at, from 0; ``null``: the machine's speed decides."""

    model_config = ConfigDict(extra="forbid", strict=True)
    rung: Annotated[int, Field(ge=0, le=100)] | None


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

    @made.put("/channels/{name}/slate", responses=responses(404, 503))
    def slate(name: Name, slate: Slate) -> dict[str, Any]:
        """Send the slate, and silence, in place of the source, or the source again; no frame is interrupted."""
        return present(name).show_slate(name, slate.shown)

    @made.put("/channels/{name}/rung", responses=responses(404, 503))
    def rung(name: Name, pin: Pin) -> dict[str, Any]:
        """Stay at a rung of the ladder, and so at its network, or let the machine's speed decide again."""
        return present(name).pin_rung(name, pin.rung)

    @made.put("/channels/{name}/targets/{number}", responses=responses(404, 503))
    def target(name: Name, number: Number, switch: Switch) -> dict[str, Any]:
        """Turn a target on or off; the others go on."""
        return present(name).switch_target(name, number, switch.on)

    @made.get(
        "/channels/{name}/pictures/{end}.jpg",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, 204: {"description": "None of late"}, **responses(404, 503)},
    )
    def picture(name: Name, end: End) -> Response:
        """Send a small picture of what comes in or goes out; they are made once a second while somebody asks."""
        found = present(name).picture(name, end)
        if found is None:
            return Response(status_code=204)
        return Response(base64.b64decode(found), media_type="image/jpeg")

    @made.get(
        "/channels/{name}/targets/{number}/{file}",
        response_class=FileResponse,
        responses={200: {"content": {kind: {} for kind in _KINDS.values()}}, **responses(404, 503)},
    )
    def part(name: Name, number: Number, file: PartName) -> FileResponse:
        """Send the playlist of a target (``playlist.m3u8``), or a segment that it lists."""
        playlist = FilePath(present(name).playlist(name, number))
        path = playlist if file == "playlist.m3u8" else playlist.with_name(file)
        is_part = file == "playlist.m3u8" or _SEGMENT.fullmatch(file)
        if not is_part or path.is_symlink() or not path.is_file():
            raise HTTPException(404, f"Target {number} of channel {name} has no {file} now.")
        return FileResponse(path, media_type=_KINDS[path.suffix.lower()])

    @made.post("/channels/{name}/{action}", status_code=202, responses=responses(404, 503))
    def act(name: Name, action: Action) -> dict[str, Any]:
        """Stop a channel, start it again, or both; the answer does not wait for it."""
        return present(name).act(name, action)

    return made
