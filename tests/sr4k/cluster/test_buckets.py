"""Sources behind ``s3://`` and ``http(s)://``, and targets in buckets; the machines share no folder."""

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import obstore
import psutil
import pytest
from clips import packet_bytes, write_clip
from obstore.store import S3Store
from storage_requests import Between

from rig.processes import command_of
from rig.servers import S3Server
from sr4k import Job, Preset, load_preset
from sr4k.cli.job_words import as_data
from sr4k.cluster import bucket_target
from sr4k.cluster.cluster_summary import ClusterSummary
from sr4k.cluster.job import ClusterJob, Reached, reached
from sr4k.cluster.settings import ClusterSettings
from sr4k.errors import InputError, OutputError, StoppedError
from sr4k.jobs.file_progress import Progress
from sr4k.media import object_store
from sr4k.media.object_store import put_once
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.bucket_pool import BucketPool
from sr4k.media.resume.pool import Manifest
from sr4k.media.resume.segments import joined

pytestmark = pytest.mark.slow(seconds=15)

KEY, SECRET = "KEYthatNobodyMaySee", "SECRETthatNobodyMaySee"
NAME = "a film, 1.mkv"
FRAMES = 75


class Told(Exception):
    """Ends a job."""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """Return a bucket, ``s3://films``, with a film of three segments; the environment leads to it."""
    with S3Server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        server.make_bucket("films")
        store = S3Store("films", client_options={"allow_http": True})
        clip = write_clip(tmp_path_factory.mktemp("clips") / NAME, frames=FRAMES, size=(96, 64))
        obstore.put(store, f"in/{NAME}", clip)
        yield store


@pytest.fixture(scope="module")
def cluster(bucket: S3Store) -> Iterator[Reached]:  # noqa: ARG001 - the machines get the environment
    with reached(ClusterSettings(address="local:2")) as there:
        yield there


@pytest.fixture(scope="module")
def preset() -> Preset:
    loaded = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")
    return loaded.updated("encode", segment_seconds=1, crf=30)


@pytest.fixture(scope="module")
def alone(bucket: S3Store, preset: Preset, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """Return what this machine makes of the film in the bucket."""
    target = tmp_path_factory.mktemp("alone") / "out.mkv"
    made = Job(f"s3://films/in/{NAME}", target, preset=preset).run()
    assert made.frames == FRAMES and not made.damaged
    return target


def names(bucket: S3Store) -> set[str]:
    return {each["path"] for page in bucket.list() for each in page}


def fetched(bucket: S3Store, key: str, target: Path) -> Path:
    target.write_bytes(bytes(obstore.get(bucket, key).bytes()))
    return target


def assert_same(made: Path, alone: Path) -> None:
    for kind in ("video", "audio"):
        assert packet_bytes(made, kind) == packet_bytes(alone, kind)


def said_by_ray(cluster: Reached) -> str:
    """Return all that Ray has written about this cluster, and the titles of its processes."""
    folder = Path(cluster.environment["RAY_TMPDIR"])
    logs = [path.read_text(errors="replace") for path in folder.rglob("*") if path.suffix in (".log", ".out", ".err")]
    titles = [command_of(process) for process in psutil.pids()]
    return "\n".join(logs + titles)


def assert_secret(*texts: str, signature: str = SECRET) -> None:
    """Check that no text holds the credentials, nor a signature made with them."""
    for text in texts:
        assert not [secret for secret in (KEY, SECRET, signature) if secret in text]


def test_a_film_in_a_bucket_becomes_another_in_it_and_no_credential_is_told(
    bucket: S3Store,
    cluster: Reached,
    preset: Preset,
    alone: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    manifests: list[str] = []

    def see(progress: Progress) -> None:
        if progress.frames and not manifests:
            found = [name for name in names(bucket) if name.startswith("out/") and name.endswith(".json")]
            manifests.extend(bytes(obstore.get(bucket, name).bytes()).decode() for name in found)

    job = ClusterJob(f"s3://films/in/{NAME}", "s3://films/out/made.mkv", preset=preset, cluster=cluster)
    made = job.run(on_progress=see)
    assert isinstance(made, ClusterSummary)
    assert len(made.segments) == 3 and made.again == 0 and str(made.output) == "s3://films/out/made.mkv"
    assert_same(fetched(bucket, "out/made.mkv", tmp_path / "made.mkv"), alone)
    assert names(bucket) == {f"in/{NAME}", "out/made.mkv"}
    assert manifests
    told = json.dumps(as_data(job, made))
    assert_secret(caplog.text, *capfd.readouterr(), told, *manifests, said_by_ray(cluster))
    with pytest.raises(OutputError, match=r"s3://films/out/made.mkv exists"):
        job.run()


def test_a_run_that_ended_is_continued_from_the_bucket(
    bucket: S3Store, cluster: Reached, preset: Preset, alone: Path, tmp_path: Path
) -> None:
    def end(_progress: Progress) -> None:
        if any(name.startswith("out/.b.mkv.parts/pool/") and name.endswith(".json") for name in names(bucket)):
            raise Told

    job = ClusterJob(f"s3://films/in/{NAME}", "s3://films/out/b.mkv", preset=preset, cluster=cluster)
    with pytest.raises(Told):
        job.run(on_progress=end)
    with pytest.raises(OutputError, match="was begun before and is unfinished: add resume"):
        job.run()
    made = replace(job, resume=True).run()
    assert isinstance(made, ClusterSummary)
    assert len(made.segments) < 3
    assert_same(fetched(bucket, "out/b.mkv", tmp_path / "b.mkv"), alone)
    assert not [name for name in names(bucket) if ".parts" in name]


def test_a_stop_while_the_segments_are_joined_leaves_nothing_of_that_name_and_the_job_can_be_continued(
    bucket: S3Store,
    cluster: Reached,
    preset: Preset,
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def slowly(*given: Any) -> Iterator[Any]:
        for packet in joined(*given):
            asked.append(1)
            time.sleep(0.1)
            yield packet

    monkeypatch.setattr("sr4k.stages.encode.joined", slowly)
    job = ClusterJob(f"s3://films/in/{NAME}", "s3://films/out/c.mkv", preset=preset, cluster=cluster, overwrite=True)
    obstore.put(bucket, "out/c.mkv", b"an earlier result")
    with pytest.raises(StoppedError, match=r"Stopped.* Finished frames are kept: resume=True continues"):
        job.run(stop_requests=lambda: min(1, len(asked)))
    assert bytes(obstore.get(bucket, "out/c.mkv").bytes()) == b"an earlier result"
    monkeypatch.undo()
    made = replace(job, resume=True).run()
    assert isinstance(made, ClusterSummary)
    assert not made.segments
    assert_same(fetched(bucket, "out/c.mkv", tmp_path / "c.mkv"), alone)
    assert not [name for name in names(bucket) if ".parts" in name]


def test_a_stop_while_the_result_is_put_leaves_nothing_of_that_name_and_keeps_the_segments(
    bucket: S3Store, cluster: Reached, preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    with Between(urlsplit(os.environ["AWS_ENDPOINT_URL"]).port or 0) as between:
        between.held = "/out/d.mkv"
        put = bucket_target.put_file

        def through(*given: Any, **options: Any) -> bool:
            monkeypatch.setenv("AWS_ENDPOINT_URL", between.address)
            return put(*given, **options)

        def stops() -> int:
            if between.has_come.is_set():
                asked.append(1)
            return min(1, len(asked))

        monkeypatch.setattr(bucket_target, "put_file", through)
        monkeypatch.setattr(bucket_target.RemotePath, "exists", lambda _path: False)
        job = ClusterJob(f"s3://films/in/{NAME}", "s3://films/out/d.mkv", preset=preset, cluster=cluster)
        with pytest.raises(StoppedError, match=r"in the bucket. Finished frames are kept: resume=True continues"):
            job.run(stop_requests=stops)
        monkeypatch.undo()
    found = names(bucket)
    assert "out/d.mkv" not in found and sum(name.startswith("out/.d.mkv.parts/pool/") for name in found) == 6


def test_a_server_of_the_target_that_goes_away_midway_is_told_with_what_is_kept(
    bucket: S3Store,  # noqa: ARG001 - which the environment leads to
    cluster: Reached,
    preset: Preset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    seen = BucketPool.seen

    def away(pool: BucketPool, key: str) -> Manifest | None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        return seen(pool, key)

    monkeypatch.setattr(BucketPool, "seen", away)
    job = ClusterJob(f"s3://films/in/{NAME}", "s3://films/out/e.mkv", preset=preset, cluster=cluster)
    away_and_kept = (
        r"s3://films/out/e.mkv can't be read: its server can't be reached, .* Finished frames are kept: resume=True"
    )
    with pytest.raises(OutputError, match=away_and_kept):
        job.run()


def test_a_signed_address_is_a_source_and_its_signature_is_not_told(
    bucket: S3Store,
    cluster: Reached,
    preset: Preset,
    alone: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    signed = obstore.sign(bucket, "GET", f"in/{NAME}", timedelta(hours=1))
    (signature,) = parse_qs(urlsplit(signed).query)["X-Amz-Signature"]
    job = ClusterJob(signed, tmp_path / "out.mkv", preset=preset, cluster=cluster)
    made = job.run()
    assert_same(tmp_path / "out.mkv", alone)
    gone = ClusterJob(signed.replace("in/", "gone/"), tmp_path / "other.mkv", preset=preset, cluster=cluster)
    with pytest.raises(InputError, match=r"http://127.0.0.1:\d+/films/gone/\S+ does not exist") as told:
        gone.run()
    said = (caplog.text, *capfd.readouterr(), json.dumps(as_data(job, made)), said_by_ray(cluster))
    assert_secret(*said, signature=signature)
    assert_secret(str(told.value), repr(job), repr(told.value.__cause__), signature=signature)


def test_an_object_is_put_once_and_one_that_changes_while_it_is_read_is_told(bucket: S3Store) -> None:
    path = RemotePath.of("s3://films/in/changing")
    assert put_once(str(path), str(path), b"a" * 100)
    assert not put_once(str(path), str(path), b"b" * 100)
    with path.open(buffering=0) as file:
        assert file.read(10) == b"a" * 10
        obstore.put(bucket, "in/changing", b"b" * 100)
        with pytest.raises(InputError, match="s3://films/in/changing has changed while it was read"):
            file.read(10)
    obstore.delete(bucket, "in/changing")


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_told_and_an_object_that_is_not_there_is_known() -> None:
    assert not RemotePath.of("s3://films/nothing.mkv").exists()
    with pytest.raises(InputError, match=r"s3://nothing/a.mkv can't be read: there is no bucket nothing on this"):
        RemotePath.of("s3://nothing/a.mkv").exists()
    with pytest.raises(InputError, match=r"s3://nothing/a.mkv can't be written: there is no bucket nothing"):
        put_once("s3://nothing/a.mkv", "s3://nothing/a.mkv", b"")
