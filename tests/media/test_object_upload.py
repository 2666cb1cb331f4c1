"""A file is put whole as an object, by one request or in parts; a stop leaves neither an object nor parts of one."""

import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store
from storage_requests import Between

from rig.servers import S3Server
from sr4k.errors import InputError, StoppedError
from sr4k.media import object_store, object_upload
from sr4k.media.object_upload import put_file

pytestmark = pytest.mark.slow(seconds=2)

SIZE = 13 << 20


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket("films")
        yield server


@pytest.fixture
def between(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    given = moto.environment | {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    monkeypatch.setattr(object_upload, "_PART", 6 << 20)
    with Between(moto.port) as there:
        for name, value in {**given, "AWS_ENDPOINT_URL": there.address}.items():
            monkeypatch.setenv(name, value)
        yield there


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "whole.mkv"
    path.write_bytes(bytes(range(256)) * (SIZE >> 8))
    return path


def put(name: str, file: Path, *, replace: bool = False, stop: threading.Event | None = None) -> bool:
    stop = stop or threading.Event()
    return put_file(f"s3://films/{name}", f"s3://films/{name}", file, replace=replace, is_stopped=stop.is_set)


def content(name: str) -> bytes:
    return bytes(obstore.get(S3Store("films", client_options={"allow_http": True}), name).bytes())


def uploads(moto: S3Server) -> int:
    """Return the number of uploads in parts that have neither been finished nor been ended."""
    with urllib.request.urlopen(f"http://127.0.0.1:{moto.port}/films?uploads", timeout=60) as answer:
        return answer.read().count(b"<Upload>")


def test_a_file_is_put_in_parts_and_only_replaces_an_object_where_that_is_wanted(
    between: Between, moto: S3Server, file: Path, tmp_path: Path
) -> None:
    assert put("parts", file) and content("parts") == file.read_bytes()
    assert sum("partNumber" in line for line in between.seen) == 3
    other = tmp_path / "other"
    other.write_bytes(bytes(SIZE))
    assert not put("parts", other) and content("parts") == file.read_bytes()
    assert put("parts", other, replace=True) and content("parts") == bytes(SIZE)
    assert uploads(moto) == 0


@pytest.mark.usefixtures("between")
def test_a_small_file_is_put_by_one_request_that_replaces_nothing_unless_wanted(tmp_path: Path) -> None:
    for number, text in enumerate((b"one", b"two")):
        (tmp_path / str(number)).write_bytes(text)
    assert put("small", tmp_path / "0") and not put("small", tmp_path / "1") and content("small") == b"one"
    assert put("small", tmp_path / "1", replace=True) and content("small") == b"two"


@pytest.mark.parametrize("held", ["partNumber", "?uploads"])
def test_a_stop_ends_what_waits_for_the_server_and_leaves_no_part(
    held: str, between: Between, moto: S3Server, file: Path
) -> None:
    between.held, stop = held, threading.Event()

    def ask() -> None:
        between.has_come.wait(60)
        stop.set()
        if held != "partNumber":  # what has begun is ended when it is known
            between.goes_on.set()

    threading.Thread(target=ask, daemon=True).start()
    with pytest.raises(StoppedError, match="Stopped before the result was in the bucket"):
        put("stopped", file, stop=stop)
    assert uploads(moto) == 0
    with pytest.raises(FileNotFoundError):
        content("stopped")


def test_an_error_midway_leaves_no_part(between: Between, moto: S3Server, file: Path) -> None:
    between.refused = "partNumber=1"
    with pytest.raises(InputError, match="s3://films/refused can't be written: access is denied"):
        put("refused", file)
    assert uploads(moto) == 0
