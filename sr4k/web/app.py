"""The service's page and interface as one application, behind its guard."""

from importlib.metadata import version
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles

from sr4k.web import clip_routes, file_routes, last_routes, pages, try_routes
from sr4k.web.access import Access
from sr4k.web.api import PREFIX, routers
from sr4k.web.api.problems import add_error_handlers
from sr4k.web.api.text_bodies import only_text
from sr4k.web.guard import Door, Guard
from sr4k.web.head_requests import HeadAsGet
from sr4k.web.web_service import WebService

HERE = Path(__file__).parent


def make_app(service: WebService, access: Access) -> FastAPI:
    """Return the application. It touches no frame: whatever decodes or upscales does so in processes of its own.

    Args:
        service: what it shows, and works on.
        access: who may use it.
    """
    door = Door(access)
    app = FastAPI(
        title="sr4k-stream",
        version=version("sr4k-stream"),
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(only_text)],
    )
    add_error_handlers(app)
    # Those with fixed words first: the others take any word for an action.
    own = (each.router(service) for each in (try_routes, clip_routes, file_routes, last_routes))
    for router in (*own, *routers(service)):
        app.include_router(router)
    page = pages.page_maker(service, door)
    app.include_router(pages.router(service, door, page))
    pages.add_not_there(app, page)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_middleware(Guard, door=door)
    app.add_middleware(HeadAsGet)
    return app
