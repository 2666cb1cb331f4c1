"""What a running job has finished last, to be seen on the page."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from sr4k.queue.queued_job import UNFINISHED
from sr4k.web.api.job_routes import Number
from sr4k.web.api.problems import problem, responses
from sr4k.web.last_picture import LastPictures
from sr4k.web.web_service import WebService


class Last(BaseModel):
    """The last finished picture. ``at``: its time in the source in seconds; ``result``, ``source``: paths of JPEGs."""

    at: float
    result: str
    source: str


def router(service: WebService) -> APIRouter:
    """Return the routes."""
    made = APIRouter(prefix="/api/v1", tags=["jobs"], responses=responses(422))
    pictures = LastPictures(service.scratch)

    @made.get("/jobs/{number}/last", response_model=None, responses={**responses(404), 200: {"model": Last}})
    def last(number: Number) -> Last | Response:
        """Tell the last finished picture of a running job, and the source's; without any yet, the answer is empty."""
        job = service.queue.get(number)
        for path in (job.source, job.target):
            service.inside(path)
        if job.state not in UNFINISHED:
            pictures.forget(number)
            return Response(status_code=204)
        found = pictures.of(job)
        if found is None:
            return Response(status_code=204)
        base = f"/api/v1/jobs/{number}/last/{found.folder.name}"
        return Last(at=found.about.at, result=f"{base}/result.jpg", source=f"{base}/source.jpg")

    @made.get("/jobs/{number}/last/{version}/{which}.jpg", response_class=Response, responses=responses(404))
    def picture(
        number: Number,
        version: Annotated[str, Path(pattern=r"^[a-z0-9_]{1,16}$")],
        which: Literal["result", "source"],
    ) -> Any:
        """Send one of the two pictures."""
        jpeg = pictures.jpeg(number, version, f"{which}.jpg")
        if jpeg is None:
            return problem(404, "That picture is gone: there is a later one.")
        return Response(jpeg, media_type="image/jpeg")

    return made
