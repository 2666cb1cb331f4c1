"""Errors as ``application/problem+json`` (RFC 9457), in the words of the command line."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from sr4k.common.printable import printable
from sr4k.common.setting_words import as_sentence, first_fault
from sr4k.common.system_errors import refusal
from sr4k.errors import EngineError, InputError, InternalError, MachineError, OptionError, OutputError, Sr4kError
from sr4k.queue.job_queue import NoSuchJob, WrongState
from sr4k.queue.keeper import SettingsChanged
from sr4k.service.channel_desk import NoSuchChannel
from sr4k.service.channel_editor import FileChanged

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[Exception], int] = {
    NoSuchJob: 404,
    NoSuchChannel: 404,
    WrongState: 409,
    FileChanged: 409,
    SettingsChanged: 409,
    OptionError: 422,
    InputError: 422,
    OutputError: 409,
    EngineError: 503,
    MachineError: 503,
}


class Problem(BaseModel):
    """An error: ``detail`` is the line that the command would print; ``code`` its exit code, 2 for wrong requests.

    ``where``: the field of the request that is wrong, with dots between its parts, if there is one.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: int
    where: str | None = None


_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    411: "Length missing",
    413: "Too large",
    416: "Not a part of the file",
    421: "Not the name of this service",
    422: "Can't be done",
    429: "Too many requests",
    500: "Bug in sr4k-stream",
    503: "Not possible on this machine now",
}


_METHODS = "DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"

_LIKE = {"HEAD": "GET"}
"""Methods that are answered wherever others are; see `sr4k.web.head_requests`."""

_NO_OBJECT = ("missing", "model_attributes_type")
"""Pydantic's types of the error of a body that is none, or no JSON object."""


def problem(
    status: int,
    detail: str,
    code: int = OptionError.exit_code,
    where: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the response for an error. Its words may quote any text of a request, or any name of a file."""
    title, told = _TITLES.get(status) or HTTPStatus(status).phrase, printable(" ".join(detail.split()))
    body = Problem(title=title, status=status, detail=told, code=code, where=where and printable(where))
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type=MEDIA_TYPE)


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


def _allowed(request: Request) -> list[str]:
    """Return the methods of all routes of the path of a request; Starlette tells those of the first route alone."""
    return [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": _LIKE.get(method, method)})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def add_error_handlers(app: FastAPI) -> None:
    """Let an application answer errors as problems."""

    def known(_request: Request, error: Exception) -> JSONResponse:
        status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
        code = error.exit_code if isinstance(error, Sr4kError) else InternalError.exit_code
        return problem(status, str(error), code)

    def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors: list[Any] = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
        if errors[0]["type"] == "json_invalid":
            return problem(422, f"The request is no JSON: {errors[0]['ctx']['error']}.")
        if errors[0]["type"] in _NO_OBJECT and not errors[0]["loc"]:
            return problem(422, "The request must have a JSON object as its body, and its type: application/json.")
        where, reason, _ = first_fault(errors, BaseModel)
        return problem(422, as_sentence(where or "The request", reason), where=where or None)

    def other(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        status, headers = error.status_code, error.headers
        if status == 405 and headers is not None:
            headers = {**headers, "Allow": ", ".join(_allowed(request))}
        if status == 400:  # as FastAPI has it of a body that can't be read: the document promises 422
            return problem(422, "The request is no JSON in UTF-8.")
        words = {
            404: f"There is nothing at {request.url.path} here.",
            405: f"{request.method} is not for {request.url.path}: use {(headers or {}).get('Allow', 'another')}.",
        }
        is_plain = error.detail == HTTPStatus(status).phrase
        return problem(status, words.get(status, error.detail) if is_plain else error.detail, headers=headers)

    def refused(request: Request, error: Exception) -> JSONResponse:
        """The system refused something, such as a name that is too long, or a disk that is gone."""
        assert isinstance(error, OSError)
        name, reason = error.filename or "The system", error.strerror or type(error).__name__
        return known(request, refusal(error) or MachineError(f"{name} can't be read or written ({reason})."))

    def bug(_request: Request, error: Exception) -> JSONResponse:
        return problem(
            500, f"{type(error).__name__}, a bug in sr4k-stream: its log says more.", InternalError.exit_code
        )

    app.add_exception_handler(Exception, bug)
    app.add_exception_handler(Sr4kError, known)
    app.add_exception_handler(OSError, refused)
    app.add_exception_handler(InternalError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)
