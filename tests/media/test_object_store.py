"""What is wrong with an object in a bucket, and what to do, is told in one line, which holds no credential."""

import gc
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from clips import write_clip

from sr4k.errors import InputError, OptionError
from sr4k.media import object_store, remote_path
from sr4k.media.object_store import Piece, put_once
from sr4k.media.paths import check_source
from sr4k.media.reading.open_file import open_input, packets_of
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.bucket_pool import BucketPool

KEY, SECRET = "KEYthatNobodyMaySee", "SECRETthatNobodyMaySee"

ANSWERS = {
    "denied": (403, "AccessDenied"),
    "none": (404, "NoSuchBucket"),
    "films": (404, "NoSuchKey"),
    "wrong": (403, "SignatureDoesNotMatch"),
    "far": (400, "AuthorizationHeaderMalformed"),
    "broken": (400, "Strange"),
    "empty": (416, "InvalidRange"),
    "whole": (200, "None"),
}
"""Status and code with which the server refuses what is asked of each bucket."""


class _Refusing(BaseHTTPRequestHandler):
    def _refuse(self) -> None:
        status, code = ANSWERS[self.path.strip("/").partition("/")[0].partition("?")[0]]
        body = f"<Error><Code>{code}</Code><Message>{KEY} {SECRET}</Message></Error>".encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815 - their names are the library's

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as there:
        Thread(target=there.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{there.server_port}"
        there.shutdown()


@pytest.fixture(autouse=True)
def reached(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "AWS_ENDPOINT_URL": server,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(object_store, "_RETRIES", 0)


def assert_line(error: BaseException, *words: str) -> None:
    line = str(error)
    assert "\n" not in line and all(each in line for each in words), line
    assert KEY not in line and SECRET not in line and ".parts" not in line


@pytest.mark.parametrize(
    ("bucket", "words"),
    [
        ("denied", ["access is denied", "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"]),
        ("none", ["there is no bucket none on this server"]),
        ("wrong", ["SignatureDoesNotMatch", "check AWS_ACCESS_KEY_ID"]),
        ("far", ["in another region: set AWS_REGION"]),
        ("broken", ["its server answers 400 (Strange)"]),
        ("films", ["does not exist"]),
    ],
)
def test_what_is_wrong_is_told_with_bucket_and_name_of_what_the_user_knows(bucket: str, words: list[str]) -> None:
    with pytest.raises(InputError) as told:
        check_source(RemotePath.of(f"s3://{bucket}/in/a film.mkv"))
    assert_line(told.value, f"s3://{bucket}/in/a film.mkv", *words)
    if bucket != "films":
        pool = BucketPool(RemotePath.of(f"s3://{bucket}/out/.b.mkv.parts/pool"))
        for ask in (lambda: pool.leave("token", ""), pool.keys, lambda: pool.found("key"), lambda: pool.drop("key")):
            with pytest.raises(InputError) as told:
                ask()
            assert_line(told.value, f"s3://{bucket}/out/b.mkv", *words)


@pytest.mark.parametrize("left", ["AWS_ACCESS_KEY_ID", ""])
def test_missing_credentials_are_told_with_the_names_of_their_variables(
    left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} - {left}:
        monkeypatch.delenv(name)
    monkeypatch.setattr(object_store, "_ROLE", "127.0.0.1")  # whose port 80 answers nobody, as where there is no role
    with pytest.raises(InputError) as told:
        put_once("s3://films/a.mkv", "s3://films/a.mkv", b"")
    assert_line(told.value, "s3://films/a.mkv can't be", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def test_a_server_that_is_away_is_told_and_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(InputError) as told:
        RemotePath.of("s3://films/a.mkv").stat()
    assert_line(told.value, "s3://films/a.mkv can't be read: its server can't be reached", "Check AWS_ENDPOINT_URL")
    with pytest.raises(InputError, match=r"http://127.0.0.1:1/a.mkv can't be read: its server can't be reached"):
        RemotePath.of("http://user:GEHEIM@127.0.0.1:1/a.mkv?sig=GEHEIM").stat()


def test_a_bucket_in_the_place_of_an_object_is_refused() -> None:
    for name in ("s3://films", "s3://films/"):
        assert not RemotePath.of(name).exists()
        with pytest.raises(InputError, match="s3://films is a bucket: name an object in it"):
            check_source(RemotePath.of(name))


@pytest.mark.parametrize("name", ["in//film.mkv", "in/./film.mkv", "../film.mkv", "/film.mkv", "film.mkv//"])
def test_a_name_of_which_a_path_would_lose_something_is_refused(name: str) -> None:
    with pytest.raises(OptionError) as told:
        RemotePath.of(f"s3://films/{name}")
    assert_line(told.value, f"s3://films/{name} can't be used", "rename the object")


def test_a_name_that_ends_in_a_slash_is_no_object_but_may_be_the_folder_of_some() -> None:
    folder = RemotePath.of("s3://films/in/")
    assert not folder.exists()
    with pytest.raises(InputError, match="s3://films/in/ ends in a slash, as a folder does: name an object"):
        check_source(folder)
    with pytest.raises(InputError, match=r"s3://films/in/a.mkv does not exist"):
        check_source(folder / "a.mkv")


@pytest.mark.parametrize(("bucket", "words"), [("empty", "is empty"), ("whole", "gives no parts of files")])
def test_an_empty_object_and_a_server_that_ignores_ranges_are_told(bucket: str, words: str) -> None:
    with pytest.raises(InputError) as told:
        check_source(RemotePath.of(f"s3://{bucket}/a.mkv"))
    assert_line(told.value, f"s3://{bucket}/a.mkv", words)


@pytest.mark.slow(seconds=1)
def test_a_server_that_goes_away_while_a_source_is_read_ends_it_with_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = write_clip(tmp_path / "a.mkv", frames=300, size=(96, 64))
    data = clip.read_bytes()

    def read(_address: str, shown: str, begin: int, end: int, _tag: str | None = None) -> Piece:
        if begin > len(data) // 2:
            raise InputError(f"{shown} can't be read: its server can't be reached.")
        return Piece(data[begin : min(end, begin + 1000)], len(data), None)

    monkeypatch.setattr(remote_path, "read_piece", read)
    monkeypatch.setattr(remote_path, "size_of", lambda *_given: len(data))
    with (
        pytest.raises(InputError, match="its server can't be reached"),
        closing(open_input(RemotePath.of("s3://films/a.mkv"))) as container,
    ):
        list(packets_of(container))
    gc.collect()
    assert capfd.readouterr() == ("", "")
