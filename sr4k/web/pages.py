"""The pages for people. They hold no data of their own: their scripts ask the interface under ``/api/v1`` for it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from sr4k.common.printable import printable
from sr4k.common.time_zone import local_clock
from sr4k.errors import MachineError
from sr4k.queue.job_queue import LARGEST, NoSuchJob
from sr4k.service.channel_desk import NoSuchChannel
from sr4k.web.access import SESSION_SECONDS
from sr4k.web.guard import COOKIE, FOR_PROGRAMS, Door
from sr4k.web.web_service import WebService

PAGES = {
    "/library": ("library.html", "Library"),
    "/try": ("try.html", "Try"),
    "/queue": ("queue.html", "Queue"),
    "/history": ("history.html", "Done"),
    "/settings": ("settings.html", "Settings"),
    "/jobs/{number:int}": ("job.html", "Job"),
    "/channels": ("channels.html", "Channels"),
    "/channels/{name}": ("channel.html", "Channel"),
    "/channel-file": ("channel_file.html", "Edit channels"),
}
"""Template and title of each page."""


class Page(Protocol):
    """Makes a page of a template and a title; ``more`` is for the template."""

    def __call__(self, request: Request, template: str, title: str, status: int = 200, **more: Any) -> Response: ...


def page_maker(service: WebService, door: Door) -> Page:
    """Return what makes pages of the templates."""
    templates = Jinja2Templates(Path(__file__).parent / "templates")

    def page(request: Request, template: str, title: str, status: int = 200, **more: Any) -> Response:
        about = {
            "title": title,
            "path": request.url.path,
            "role": request.state.role,
            "has_library": bool(service.library.roots),
            "has_channels": service.channels is not None,
            "clock": local_clock(),
            "can_log_out": bool(door.access.tokens) and request.state.role is not None,
        }
        return templates.TemplateResponse(request, template, {**about, **more}, status_code=status)

    return page


def add_not_there(app: FastAPI, page: Page) -> None:
    """Let an application answer browsers with a page where there is nothing; programs get the problem."""
    otherwise = app.exception_handlers[HTTPException]

    def not_there(request: Request, error: Exception) -> Any:
        path = request.url.path
        if path.startswith(FOR_PROGRAMS) or "text/html" not in request.headers.get("accept", ""):
            return otherwise(request, error)
        return page(request, "missing.html", "Not there", 404, error=printable(f"There is nothing at {path} here."))

    app.add_exception_handler(404, not_there)


def router(service: WebService, door: Door, page: Page) -> APIRouter:
    """Return the routes of the pages, of logging in and of logging out."""
    made = APIRouter(include_in_schema=False)

    def shower(template: str, title: str) -> Any:
        def show(request: Request) -> Response:
            try:
                _check(service, request.path_params)
            except (NoSuchJob, NoSuchChannel) as err:
                return page(request, "missing.html", "Not there", 404, error=printable(str(err)))
            return page(request, template, title)

        return show

    for path, (template, title) in PAGES.items():
        made.add_api_route(path, shower(template, title), response_class=HTMLResponse)

    @made.get("/")
    def begin() -> Response:
        return RedirectResponse("/library" if service.library.roots else "/channels", status_code=303)

    @made.get("/login")
    def ask(request: Request) -> Response:
        return page(request, "login.html", "Log in", to=_within(request.query_params.get("to", "/")))

    @made.post("/login")
    async def log_in(request: Request) -> Response:
        given = {key: values[0] for key, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        to = _within(given.get("to", "/"))
        role = door.role_by_token(request.scope, given.get("token", ""))
        if isinstance(role, Response):
            again = {"Retry-After": role.headers["Retry-After"]}
            shown = page(request, "login.html", "Log in", 429, to=to, error="Too many wrong tokens. Wait a minute.")
            shown.headers.update(again)
            return shown
        if role is None:
            return page(request, "login.html", "Log in", 401, to=to, error="That token is wrong.")
        answer = RedirectResponse(to, status_code=303)
        answer.set_cookie(
            COOKIE,
            door.sessions.begin(role),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @made.post("/login/end")
    def log_out() -> Response:
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return made


def _check(service: WebService, given: Mapping[str, Any]) -> None:
    """Check that the job or the channel in the address of a page is there.

    Raises:
        NoSuchJob, NoSuchChannel: it is not.
    """
    if "number" in given:
        if given["number"] > LARGEST:
            raise NoSuchJob(f"There is no job {given['number']}.")
        service.queue.get(given["number"])
    if "name" in given:
        if service.channels is None:
            raise NoSuchChannel(f"There is no channel {given['name']}.")
        with suppress(MachineError):  # they don't answer now: the page will tell
            service.channels.one(given["name"])


def _within(path: str) -> str:
    """Return a path of this service; what would lead elsewhere becomes its first page."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
