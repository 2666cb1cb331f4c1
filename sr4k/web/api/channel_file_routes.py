"""The file of the live channels: shown without its keys, checked, and applied, for those who operate the service."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

from sr4k.errors import OptionError
from sr4k.service.channel_desk import Channels
from sr4k.web.api.problems import responses
from sr4k.web.web_service import WebService


class EditedFile(BaseModel):
    """An edited file.

    Attributes:
        text: as it was shown, and then edited; keys that are hidden in it stay as they are.
        version: of the file that was edited.
    """

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(max_length=500_000)]
    version: Annotated[str, Field(max_length=100)]


class ShownFile(BaseModel):
    """``name`` of the file, its ``text`` without keys, and its ``version``."""

    name: str
    text: str
    version: str


class FileChanges(BaseModel):
    """``changes``: names of channels by what would become of them; ``diff``: lines, without keys."""

    changes: dict[str, list[str]]
    diff: list[str]


def router(service: WebService) -> APIRouter:
    """Return the routes of the file."""
    made = APIRouter(
        prefix="/api/v1", tags=["channels"], dependencies=[Depends(_operates)], responses=responses(403, 409, 422, 503)
    )

    def present() -> Channels:
        if service.channels is None:
            raise OptionError("There are no live channels.")
        return service.channels

    @made.get("/channel-file")
    def shown() -> ShownFile:
        """Show the file of the channels, without stream keys and passwords."""
        return ShownFile(**present().file())

    @made.post("/channel-file/check")
    def check(edited: EditedFile) -> FileChanges:
        """Tell what an edited file would change, or what is wrong with it; nothing is written."""
        return FileChanges(**present().check_file(edited.text, edited.version))

    @made.put("/channel-file")
    def save(edited: EditedFile) -> FileChanges:
        """Write an edited file, and apply it: channels that it does not change run on."""
        return FileChanges(**present().save_file(edited.text, edited.version))

    return made


def _operates(request: Request) -> None:
    role: Any = getattr(request.state, "role", None)
    if role != "operate":
        raise HTTPException(403, "You may look, and change nothing: log in with the token to operate the service.")
