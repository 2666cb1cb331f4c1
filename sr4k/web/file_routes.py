"""The videos of a job that is done: to be played beside each other, and to be downloaded."""

import mimetypes
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from sr4k.errors import OptionError
from sr4k.media.image_names import is_sequence
from sr4k.web.api.job_routes import Number
from sr4k.web.api.problems import problem, responses
from sr4k.web.file_ranges import RangedFile
from sr4k.web.web_service import WebService

_MATROSKA = "video/matroska"
"""As IANA has it; Python knows only the older name."""


def router(service: WebService) -> APIRouter:
    """Return the route."""
    made = APIRouter(prefix="/api/v1", tags=["jobs"], responses=responses(422))

    @made.get("/jobs/{number}/files/{which}", response_class=FileResponse, responses=responses(404, 416))
    def file(
        number: Number,
        which: Literal["source", "result"],
        download: Annotated[bool, Query(description="Whether a browser is to keep it instead of playing it.")] = False,
    ) -> Any:
        """Send the source, also from the bin, or the result of a job that is done, or a range of its bytes."""
        job = service.queue.get(number)
        if job.result is None:
            raise OptionError(f"Job {number} has no result.")
        named = job.source_now if which == "source" else job.result.output
        path = None if named is None else service.inside(named)
        if path is not None and is_sequence(path):
            raise OptionError(f"The source of job {number} is many pictures, which can't be sent as one file.")
        if path is None or not path.is_file():
            return problem(404, f"The {which} of job {number} isn't there any more.")
        kind = "attachment" if download else "inline"
        return RangedFile(path, media_type=_type_of(path), filename=path.name, content_disposition_type=kind)

    return made


def _type_of(path: Path) -> str:
    if path.suffix.lower() == ".mkv":
        return _MATROSKA
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
