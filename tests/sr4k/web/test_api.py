"""The interface for programs: over a real server, against what it says of itself, and without secrets."""

import csv
import json
import re
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from clips import write_clip
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from queues import Place
from starlette.types import Receive, Scope, Send
from web_serving import serving

from sr4k.queue.queued_job import JobResult
from sr4k.web.api import routers
from sr4k.web.api.problems import add_error_handlers
from sr4k.web.api.queue_metrics import JOBS, PAUSED
from sr4k.web.web_service import WebService

pytestmark = pytest.mark.slow


class Served:
    """The interface alone: all who ask may operate."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.service = WebService(
            queue=self.place.queue, library=self.place.library, settings=self.place.settings, scratch=folder
        )
        self.app = FastAPI()
        add_error_handlers(self.app)
        for router in routers(self.service):
            self.app.include_router(router)
        self.port = 0

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {} if data is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        kind = answer.headers.get("Content-Type", "")
        return answer.status, kind, json.loads(text) if "json" in kind else text


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)

    async def for_operators(scope: Scope, receive: Receive, send: Send) -> None:
        await made.app({**scope, "state": {"role": "operate"}}, receive, send)

    with serving(for_operators) as port:
        made.port = port
        yield made
        made.service.ending.set()


def test_jobs_are_added_ordered_and_removed_and_errors_are_problems_in_plain_words(
    served: Served, tmp_path: Path
) -> None:
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", frames=2)
    status, _, added = served.ask("POST", "/api/v1/jobs", {"sources": [str(tmp_path)], "options": {"size": "4k"}})
    assert status == 201
    assert [Path(job["target"]).name for job in added] == ["a 4K.mp4", "b 4K.mp4"]
    first, second = (job["id"] for job in added)
    assert served.ask("PUT", f"/api/v1/jobs/{second}/place", {"before": first})[0] == 200
    assert [job["id"] for job in served.ask("GET", "/api/v1/jobs")[2]] == [second, first]
    assert served.ask("PUT", f"/api/v1/jobs/{second}/place", {"after": first})[0] == 200
    assert [job["id"] for job in served.ask("GET", "/api/v1/jobs")[2]] == [first, second]
    assert served.ask("POST", f"/api/v1/jobs/{first}/pause")[2]["state"] == "paused"
    assert served.ask("GET", "/api/v1/jobs?state=paused")[2][0]["id"] == first
    assert served.ask("DELETE", f"/api/v1/jobs/{first}")[0] == 204

    status, _, (left,) = served.ask("POST", "/api/v1/jobs", {"sources": [str(tmp_path)]})  # the other is in the queue
    assert (status, Path(left["target"]).name) == (201, "a 4K.mp4")
    wrong: list[tuple[str, str, Any, int, str]] = [
        ("POST", "/api/v1/jobs", {"sources": [str(tmp_path)]}, 422, "is the target of job"),  # now that all are
        ("GET", f"/api/v1/jobs/{first}", None, 404, f"There is no job {first}."),
        ("POST", f"/api/v1/jobs/{second}/retry", None, 409, "is waiting"),
        ("PUT", f"/api/v1/jobs/{second}/place", {}, 422, "must have either before or after"),
        ("PUT", f"/api/v1/jobs/{second}/place", {"before": 1, "after": 1}, 422, "must have either before or after"),
        ("PUT", f"/api/v1/jobs/{second}/place", {"after": None}, 422, "must have either before or after"),
        ("POST", "/api/v1/jobs", {"sources": ["/etc/passwd"]}, 422, "isn't in a library"),
        ("POST", "/api/v1/jobs", {"sources": [f"{tmp_path}/no.mp4"]}, 422, "does not exist"),
        ("POST", "/api/v1/jobs", {"sources": [f"{tmp_path}/a.mp4"], "options": {"crf": 99}}, 422, "crf can't be 99"),
        (
            "POST",
            "/api/v1/jobs",
            {"sources": [f"{tmp_path}/a.mp4"], "options": {"model": "/etc/x.onnx"}},
            422,
            "by its name",
        ),
        ("POST", "/api/v1/jobs", {"sources": [f"{tmp_path}/a.mp4"], "options": {"preset": "/etc/x"}}, 422, "preset"),
        ("GET", f"/api/v1/probe?path={tmp_path}/.queue.sqlite", None, 422, "Invalid data"),
        ("POST", "/api/v1/channels/one/stop", None, 404, "no channel one"),
        ("GET", "/api/v1/nothing", None, 404, "nothing at /api/v1/nothing"),
    ]
    for method, path, body, status, words in wrong:
        found, kind, problem = served.ask(method, path, body)
        assert (found, kind) == (status, "application/problem+json"), problem
        assert problem["status"] == status
        assert words in problem["detail"]
        assert "Traceback" not in problem["detail"]


def test_settings_that_somebody_else_has_changed_meanwhile_are_not_replaced(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}/api/v1/settings"
    mine = {"If-Match": httpx.get(url).headers["ETag"]}
    saved = httpx.put(url, json={"at_once": 2}, headers=mine)
    assert (saved.status_code, saved.headers["ETag"]) == (200, httpx.get(url).headers["ETag"])
    late = httpx.put(url, json={"at_once": 3}, headers=mine)
    assert (late.status_code, "have changed since they were read" in late.json()["detail"]) == (409, True)
    assert httpx.get(url).json()["at_once"] == 2
    assert httpx.put(url, json={"at_once": 3}).status_code == 200


def test_a_file_is_probed_and_a_job_foretold_before_it_is_added(served: Served, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=6)
    status, _, probe = served.ask("GET", f"/api/v1/probe?path={clip}")
    assert (status, probe["video"]["width"]) == (200, 64)
    new = {"sources": [str(clip)], "options": {"engine": "nearest"}}
    status, _, forecast = served.ask("POST", "/api/v1/forecast", new)
    assert (status, forecast["frames"]) == (200, 6)
    assert any("128x96" in line for line in forecast["words"])
    assert served.ask("GET", "/api/v1/jobs")[2] == []
    assert {entry["name"] for entry in served.ask("GET", f"/api/v1/library?folder={tmp_path}")[2]["entries"]} == {
        "a.mp4"
    }


def test_all_jobs_that_ended_are_added_up_listed_by_pages_and_sent_as_a_table(served: Served, tmp_path: Path) -> None:
    queue = served.place.queue
    for number in range(1, 5):
        job = queue.add(tmp_path / f"{number}, a.mp4", tmp_path / f"{number}.mkv")
        queue.begin(job.id)
        told = JobResult(
            output=job.target, frames=number, seconds=2.5, damaged=number == 2, source_bytes=10, result_bytes=30
        )
        queue.fail(job.id, "It is broken.", 3) if number == 4 else queue.finish(job.id, told)
    totals = served.ask("GET", "/api/v1/totals")[2]
    assert totals == {
        "done": 3,
        "failed": 1,
        "cancelled": 0,
        "damaged": 1,
        "frames": 6,
        "seconds": 7.5,
        "source_bytes": 30,
        "result_bytes": 90,
    }
    page = "/api/v1/jobs?newest=true&limit=2&offset="
    assert [[job["id"] for job in served.ask("GET", f"{page}{offset}")[2]] for offset in (0, 2, 4)] == [
        [4, 3],
        [2, 1],
        [],
    ]
    status, kind, text = served.ask("GET", "/api/v1/history")
    assert (status, kind) == (200, "text/csv; charset=utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["id"], row["state"], row["frames"], row["error"]) for row in rows] == [
        ("4", "failed", "", "It is broken."),
        ("3", "done", "3", ""),
        ("2", "done", "2", ""),
        ("1", "done", "1", ""),
    ]
    assert rows[0]["source"] == f"{tmp_path}/4, a.mp4"


def test_the_forecast_that_a_user_has_seen_is_kept_with_the_job(served: Served, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=6)
    new = {"sources": [str(clip)], "options": {"engine": "nearest"}}
    forecast = served.ask("POST", "/api/v1/forecast", new)[2]
    (added,) = served.ask("POST", "/api/v1/jobs", new)[2]
    assert added["forecast"] == forecast
    other = new | {"target": str(tmp_path / "b.mkv")}
    assert served.ask("POST", "/api/v1/jobs", other)[2][0]["forecast"] is None


def test_events_are_told_as_they_happen_and_who_waits_for_the_queue_keeps_nobody_else_waiting(served: Served) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/api/v1/events?after=0")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    served.place.queue.tell_channel("one", state="down", reason="the source is away")
    lines = []
    while not any(line.startswith("data:") for line in lines):
        lines.append(answer.readline().decode())
    assert "event: channel\n" in lines
    with served.place.queue._lock:  # as a thread has it that waits for a slow disk
        for _ in range(5):
            time.sleep(0.1)  # so that whoever follows events looks for news
            assert served.ask("GET", "/health")[0] == 200
    connection.close()


@pytest.mark.parametrize("known", [{"Last-Event-ID": "99999999"}, {}])
def test_who_knows_events_of_another_queue_is_told_of_new_ones(served: Served, known: dict[str, str]) -> None:
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/api/v1/events" if known else "/api/v1/events?after=99999999", headers=known)
    answer = connection.getresponse()
    served.place.queue.tell_channel("new", state="down", reason="the source is away")
    while not (line := answer.readline().decode()).startswith("data:"):
        pass
    assert '"new"' in line
    connection.close()


def test_metrics_and_health_are_where_they_are_without_the_page(served: Served) -> None:
    assert served.ask("GET", "/health")[2] == {"ok": True}
    assert served.ask("GET", "/ready")[2] == {"ready": True, "channels": {}}
    served.place.queue.add(served.place.folder / "a.mp4", served.place.folder / "a.mkv")
    families = {each.name: each for each in text_string_to_metric_families(served.ask("GET", "/metrics")[2])}
    assert {sample.labels["state"]: sample.value for sample in families[JOBS].samples}["waiting"] == 1
    assert [sample.value for sample in families[PAUSED].samples] == [0]


def test_each_path_in_the_docs_is_one_of_the_interface(served: Served) -> None:
    text = (Path(__file__).parents[3] / "docs" / "service.md").read_text()
    told = set(re.findall(r"\$api(/[a-z0-9/.-]+)", text))
    known = served.ask("GET", "/openapi.json")[2]["paths"]
    patterns = [re.sub(r"\{[a-z]+\}", "[a-z0-9.]+", path.removeprefix("/api/v1")) for path in known]
    assert len(told) > 15
    assert [path for path in told if not any(re.fullmatch(pattern, path) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, path) for path in told)] == []


def test_a_list_of_200_jobs_is_answered_at_little_cost(served: Served, tmp_path: Path) -> None:
    for number in range(200):
        served.place.queue.add(tmp_path / f"{number}.mp4", tmp_path / f"{number}.mkv")

    def cost(limit: int) -> float:
        """CPU seconds of the server and of this client, the least of several."""
        found = []
        for _ in range(5):
            before = time.process_time()
            assert len(served.ask("GET", f"/api/v1/jobs?limit={limit}")[2]) == limit
            found.append(time.process_time() - before)
        return min(found)

    assert cost(200) < 100 * cost(1)
