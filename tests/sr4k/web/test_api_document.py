"""Random requests get no answer but those that the interface's own document promises."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from queues import Place
from web_serving import serving

from sr4k.web.api import routers
from sr4k.web.api.problems import add_error_handlers
from sr4k.web.web_service import WebService


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    schemathesis = pytest.importorskip("schemathesis", reason="is in the extra [test]")  # slow: not when collecting
    place = Place(tmp_path_factory.mktemp("library"))
    for name in "abc":
        place.queue.add(place.folder / f"{name}.mp4", place.folder / f"{name} 4K.mp4")
    service = WebService(queue=place.queue, library=place.library, settings=place.settings, scratch=place.folder)
    app = FastAPI()
    add_error_handlers(app)
    for router in routers(service):
        app.include_router(router)
    with serving(app) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


@pytest.mark.slow(seconds=10)
def test_each_answer_is_one_that_the_document_promises(document: Any) -> None:
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if operation.path != "/api/v1/events":  # which has no end
            _keeps_its_promises(operation)


def _keeps_its_promises(operation: Any) -> None:
    import schemathesis
    from schemathesis.specs.openapi import checks as promises

    @given(case=operation.as_strategy())
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def promise(case: Any) -> None:
        case.call_and_validate(
            checks=[
                schemathesis.checks.not_a_server_error,
                promises.status_code_conformance,
                promises.content_type_conformance,
                promises.response_schema_conformance,
            ]
        )

    promise()
