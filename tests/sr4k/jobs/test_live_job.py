"""A live channel in a machine that has run out of something."""

import errno
import logging
import os
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sr4k.configs import load_preset
from sr4k.errors import FieldError, MachineError, OptionError
from sr4k.jobs import graph
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.parse import parse_size
from sr4k.live.address import parse_source, parse_target
from sr4k.live.backoff import Backoff
from sr4k.pipeline import Outcome, WorkerDied


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> LiveJob:
    monkeypatch.setattr(Backoff, "wait", lambda _self: 0.0)
    return LiveJob(parse_source("pattern://160x90@10"), (parse_target(f"{tmp_path}/a.mkv"),))


def run(job: LiveJob, ends: list[Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """Return how often the graph was restarted, and why, if its runs end like this."""

    def run_graph(*_: Any, **__: Any) -> Outcome:
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return Outcome({}, stopped=True)

    monkeypatch.setattr(graph, "run_graph", run_graph)
    told: list[str] = []
    said: list[int] = []
    restarts = job.run(on_failure=told.append, on_restart=lambda: said.append(len(told))).restarts
    assert said == list(range(1, restarts + 1)), "each start but the first, when the failure before it was told"
    return restarts, told


def refused() -> OSError:
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_channel_waits_until_the_machine_has_room_again(job: LiveJob, monkeypatch: pytest.MonkeyPatch) -> None:
    restarts, told = run(job, [WorkerDied("upscale died"), refused(), refused(), None], monkeypatch)
    assert restarts == 3
    assert "died" in told[0]
    assert told[1:] == ["The system refused a resource: too many files are open: raise the limit (ulimit -n)"] * 2


def test_the_name_of_a_recording_is_told_if_its_own_is_taken(
    job: LiveJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run(job, [None], monkeypatch)
    assert "is kept" not in caplog.text
    (tmp_path / "a.mkv").touch()
    (tmp_path / "a-2.mkv").touch()
    run(job, [None], monkeypatch)
    assert f"{tmp_path}/a.mkv exists and is kept: the recording begins in {tmp_path}/a-3.mkv." in caplog.text


def test_what_the_machine_refuses_from_the_start_is_told_at_once(job: LiveJob, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="Too many open files"):
        run(job, [refused(), None], monkeypatch)


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("engine", {"pixels": "bgr"}, "run with pixels bgr: use yuv"),
        ("graph", {"mode": "threads"}, "run with workers threads: use processes"),
        ("graph", {"lanes": 2}, "run with lanes 2: use auto"),
        ("graph", {"devices": (0, 1)}, "run with devices 0,1: leave it out"),
        ("encode", {"crf": 20}, "run with crf 20: use bitrate, such as 20M"),
    ],
)
def test_what_is_for_files_alone_is_refused_by_its_name(
    section: str, change: dict[str, Any], words: str, job: LiveJob
) -> None:
    preset = job.preset.updated("graph", workers=load_preset("file").graph.workers)
    with pytest.raises(FieldError, match=re.escape(words)):
        replace(job, preset=preset.updated(section, **change))


@pytest.mark.parametrize("name", ["file", "fast", "quality"])
def test_a_preset_whose_workers_are_for_files_is_refused(name: str, job: LiveJob) -> None:
    preset = load_preset(name)
    preset = preset.model_copy(update={"encode": preset.encode.model_copy(update={"crf": None})})
    with pytest.raises(FieldError, match=r"decode and preprocess in graph\.workers: use the preset live"):
        replace(job, preset=preset)


def test_text_means_what_it_means_on_the_command_line(job: LiveJob) -> None:
    given = LiveJob(job.source, job.targets, preset="live", size="4k")
    assert (given.preset, given.size) == (load_preset("live"), parse_size("4k"))


def test_without_a_target_there_is_no_live_job(job: LiveJob) -> None:
    with pytest.raises(OptionError, match="needs a target"):
        replace(job, targets=())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("rtmp://h/app/k3y", "rtmp://h/app/k3y"),
        ("RTMP://H:1935/app/k3y/", "rtmp://u:word@h/app/k3y"),
        ("udp://127.0.0.1:9000", "UDP://127.0.0.1:9000"),
    ],
)
def test_a_target_that_is_the_source_is_refused_as_a_loop(source: str, target: str) -> None:
    with pytest.raises(OptionError, match=r"is both source and target, a loop") as told:
        LiveJob(source, ("a.mkv", target))
    assert "k3y" not in str(told.value)
    assert LiveJob(source, target.replace("k3y", "other").replace(":9000", ":9001"))


def test_without_a_python_to_start_processes_with_it_says_what_to_do(
    job: LiveJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("executable", "prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path / "server"))  # as in a program that embeds Python
    with pytest.raises(MachineError, match=r"set sys\.executable"):
        job.run()


@pytest.mark.slow(seconds=10)
def test_choices_that_can_never_work_are_refused_before_the_source_comes(tmp_path: Path) -> None:
    (tmp_path / "garbage.safetensors").write_text("no weights")
    choices: tuple[tuple[dict[str, Any], str], ...] = (
        ({"slate": tmp_path / "none.png"}, "The slate .*none.png does not exist"),
        ({"options": {"nope": "1"}}, "has no option 'nope'"),
        ({"weights": tmp_path / "garbage.safetensors"}, "garbage.safetensors"),
    )
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        source = f"udp://127.0.0.1:{free.getsockname()[1]}"
    for choice, said in choices:
        with pytest.raises(OptionError, match=said):
            LiveJob(source, tmp_path / "a.mkv", **choice).run()
    assert not (tmp_path / "a.mkv").exists()
