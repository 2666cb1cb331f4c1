"""Ten seconds of a video in several ways, before a job is added, and of its result beside its source."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from sr4k.models import catalogue
from sr4k.web.api.job_routes import Number
from sr4k.web.api.problems import problem, responses
from sr4k.web.clip_making import ClipMaking
from sr4k.web.clip_writing import clips_of, clips_of_result
from sr4k.web.try_routes import Still, Try, files_beside
from sr4k.web.trying import LANCZOS
from sr4k.web.web_service import WebService

_Number = Annotated[str, Path(pattern=r"^[a-f0-9]{16}$")]


class ClipsTold(BaseModel):
    """Clips that are being made, or were made.

    Attributes:
        number: by which they are asked for.
        state: ``making``, ``made`` or ``failed``; ``error``: why it failed.
        share: how much is done, 0 to 1.
        clips: the path of each, by what made it, once they are made.
        width, height, source_width, source_height: in pixels; ``seconds``: that each clip lasts.
    """

    number: str
    state: Literal["making", "made", "failed"]
    share: float
    error: str | None = None
    clips: dict[str, str] = {}
    width: int | None = None
    height: int | None = None
    source_width: int | None = None
    source_height: int | None = None
    seconds: float | None = None


def router(service: WebService) -> APIRouter:
    """Return the routes that make clips, tell how far they are, and send them."""
    made = APIRouter(prefix="/api/v1", tags=["tries"], responses=responses(422))
    making = ClipMaking(service.scratch)

    def told(number: str) -> Any:
        clips = making.get(number)
        if clips is None:
            return problem(404, "Those clips are gone: make them again.")
        paths = {name: f"/api/v1/clips/{number}/{name}.mp4" for name in clips.names} if clips.state == "made" else {}
        return ClipsTold(
            number=number, state=clips.state, share=clips.share, error=clips.error, clips=paths, **clips.about
        )

    @made.post("/clips", status_code=202, response_model=ClipsTold)
    def make(wanted: Try) -> Any:
        """Begin to make ten seconds of a video larger, by networks and by interpolation (``lanczos``)."""
        path = service.inside(wanted.path)
        for name in wanted.models:
            catalogue.figures(name)  # an unknown one is an error
        return told(making.begin([*wanted.models, LANCZOS], clips_of, str(path), wanted.at, list(wanted.models)))

    @made.post("/jobs/{number}/clips", status_code=202, response_model=ClipsTold, responses=responses(404))
    def of_result(number: Number, wanted: Still) -> Any:
        """Begin to make ten seconds of a job's result and of its source, in a form that every browser plays."""
        source, result = files_beside(service, number)
        return told(making.begin(["result", LANCZOS], clips_of_result, str(source), str(result), wanted.at))

    @made.get("/clips/{number}", response_model=ClipsTold, responses=responses(404))
    def state(number: _Number) -> Any:
        """Tell how far clips are, and where they are once they are made."""
        return told(number)

    @made.delete("/clips/{number}", status_code=204, response_class=Response)
    def give_up(number: _Number) -> None:
        """Stop making clips, and forget them."""
        making.give_up(number)

    @made.get("/clips/{number}/{name}.mp4", response_class=FileResponse, responses=responses(404))
    def clip(number: _Number, name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]) -> Any:
        """Send a clip, or a range of its bytes."""
        clips = making.get(number)
        if clips is None or clips.state != "made" or name not in clips.names:
            return problem(404, "That clip is gone: make it again.")
        return FileResponse(clips.folder / f"{name}.mp4", media_type="video/mp4")

    return made
