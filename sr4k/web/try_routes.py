"""Pictures to compare before a job is added, and after it is done."""

import secrets
import threading
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from sr4k.errors import OptionError
from sr4k.models import catalogue
from sr4k.queue.errand import in_child
from sr4k.queue.queued_job import Number as JsonNumber
from sr4k.web.api.job_routes import Number
from sr4k.web.api.problems import problem, responses
from sr4k.web.shelf import Shelf, content_of, discard
from sr4k.web.trying import LANCZOS, pictures_of, pictures_of_result
from sr4k.web.web_service import WebService

_SECONDS = 180.0
"""Most seconds that the pictures may take."""

_KEPT = 20
"""Tries that are kept; the oldest go first."""

_Time = Annotated[JsonNumber, Field(ge=0, le=10**6)]


class Try(BaseModel):
    """A picture to make larger.

    Attributes:
        path: absolute path of a video in a library of the service.
        at: time in seconds.
        models: networks by name.
    """

    model_config = ConfigDict(extra="forbid")
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    at: _Time = 0.0
    models: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]], Field(min_length=1, max_length=3)]


class Still(BaseModel):
    """``at``: time in seconds."""

    model_config = ConfigDict(extra="forbid")
    at: _Time = 0.0


class Pictures(BaseModel):
    """What was made. ``pictures``: the path of each, by what made it. Sizes are in pixels."""

    pictures: dict[str, str]
    width: int
    height: int
    source_width: int
    source_height: int


def router(service: WebService) -> APIRouter:
    """Return the routes that make pictures, and send them."""
    made = APIRouter(prefix="/api/v1", tags=["tries"], responses=responses(422))
    tries = _Tries(service.scratch)

    @made.post("/tries", responses=responses(503))
    def make(wanted: Try) -> Pictures:
        """Make one picture of a video larger, by networks and by interpolation (``lanczos``)."""
        path = service.inside(wanted.path)
        for name in wanted.models:
            catalogue.figures(name)  # an unknown one is an error
        with service.errands.one():
            return tries.made([*wanted.models, LANCZOS], pictures_of, str(path), wanted.at, wanted.models)

    @made.post("/jobs/{number}/stills", responses=responses(404, 409, 503))
    def still(number: Number, wanted: Still) -> Pictures:
        """Take one picture out of the result of a job, and the same one out of its source (``lanczos``)."""
        source, result = files_beside(service, number)
        with service.errands.one():
            return tries.made(["result", LANCZOS], pictures_of_result, str(source), str(result), wanted.at)

    @made.get("/tries/{number}/{name}.jpg", response_class=Response, responses=responses(404))
    def picture(
        number: Annotated[str, Path(pattern=r"^[a-f0-9]{16}$")],
        name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")],
    ) -> Any:
        """Send a picture."""
        jpeg = tries.jpeg(number, name)
        if jpeg is None:
            return problem(404, "That picture is gone: make it again.")
        return Response(jpeg, media_type="image/jpeg")

    return made


def files_beside(service: WebService, number: int) -> tuple[FilePath, FilePath]:
    """Return the paths of the source and of the result of a job.

    Raises:
        NoSuchJob: it is not there.
        OptionError: it has no result beside its source.
        InputError: they are not in the library any more.
    """
    job = service.queue.get(number)
    if job.result is None or job.decision in ("discarded", "replaced", "replacing"):
        raise OptionError(f"Job {number} has no result beside its source.")
    return service.inside(job.source), service.inside(job.result.output)


class _Tries:
    """Pictures to compare. One try at a time is made: each takes all CPUs."""

    def __init__(self, home: FilePath) -> None:
        self._shelf = Shelf[None](home, _KEPT)
        self._making = threading.Lock()

    def made(self, names: list[str], function: Any, *args: Any) -> Pictures:
        """Let a function write its pictures in a process of its own; it gets the folder as its last argument."""
        number = secrets.token_hex(8)
        with self._making:
            folder = self._shelf.new_folder()
            try:
                found = in_child(function, *args, str(folder), seconds=_SECONDS)
            except BaseException:
                discard(folder)
                raise
            self._shelf.put(number, folder, None)
        return Pictures(pictures={name: f"/api/v1/tries/{number}/{name}.jpg" for name in names}, **found)

    def jpeg(self, number: str, name: str) -> bytes | None:
        """Return a picture; ``None``: it is gone."""
        made = self._shelf.get(number)
        return None if made is None else content_of(made.folder / f"{name}.jpg")
