"""Random requests get no answer but those that the interface's own document promises."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from queues import Place

from sr4k.web.api import routers
from sr4k.web.api.problems import add_error_handlers
from sr4k.web.web_server import serving
from sr4k.web.web_service import WebService

schemathesis = pytest.importorskip("schemathesis", reason="is in the extra [test]")
NAMES = "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"
PROMISES = schemathesis.checks.CHECKS.get_by_names(NAMES)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = Place(tmp_path_factory.mktemp("library"))
    for name in "abc":
        place.queue.add(place.folder / f"{name}.mp4", place.folder / f"{name} 4K.mp4")
    service = WebService(queue=place.queue, library=place.library, settings=place.settings)
    app = FastAPI()
    add_error_handlers(app, service)
    for router in routers(service):
        app.include_router(router)
    with serving(app, "127.0.0.1:0") as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


schema = schemathesis.pytest.from_fixture("document").exclude(path="/api/v1/events")


@pytest.mark.slow(seconds=10)
@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_each_answer_is_one_that_the_document_promises(case: Any) -> None:
    case.call_and_validate(checks=PROMISES)
