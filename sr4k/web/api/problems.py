"""Errors as ``application/problem+json`` (RFC 9457), in the words of the command line."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from sr4k.common.setting_words import first_fault
from sr4k.errors import EngineError, InputError, InternalError, MachineError, OptionError, OutputError, Sr4kError
from sr4k.queue.job_queue import NoSuchJob, WrongState
from sr4k.service.channel_desk import NoSuchChannel
from sr4k.service.channel_editor import FileChanged

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[Exception], int] = {
    NoSuchJob: 404,
    NoSuchChannel: 404,
    WrongState: 409,
    FileChanged: 409,
    OptionError: 422,
    InputError: 422,
    OutputError: 409,
    EngineError: 503,
    MachineError: 503,
}


class Problem(BaseModel):
    """An error: ``detail`` is the line that the command would print; ``code`` its exit code, if it has one.

    ``where``: the field of the request that is wrong, with dots between its parts, if there is one.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: int | None = None
    where: str | None = None


_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "Too large",
    415: "Not JSON",
    422: "Can't be done",
    429: "Too many requests",
    500: "Bug in sr4k-stream",
    503: "Not possible on this machine now",
}


def problem(status: int, detail: str, code: int | None = None, where: str | None = None) -> JSONResponse:
    """Return the response for an error."""
    body = Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail, code=code, where=where)
    return JSONResponse(body.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a router says of its errors in its OpenAPI document."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "model": Problem,
        }
        for status in statuses
    }


def add_error_handlers(app: FastAPI) -> None:
    """Let an application answer errors as problems."""

    def known(_request: Request, error: Exception) -> JSONResponse:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        code = error.exit_code if isinstance(error, Sr4kError) else InternalError.exit_code
        return problem(status, " ".join(str(error).split()), code)

    def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors: list[Any] = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
        where, reason, _ = first_fault(errors, BaseModel)
        return problem(422, f"{where or 'request'} {reason}.", OptionError.exit_code, where)

    def other(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    def bug(_request: Request, error: Exception) -> JSONResponse:
        return problem(
            500, f"{type(error).__name__}, a bug in sr4k-stream: its log says more.", InternalError.exit_code
        )

    app.add_exception_handler(Exception, bug)
    app.add_exception_handler(Sr4kError, known)
    app.add_exception_handler(InternalError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)
