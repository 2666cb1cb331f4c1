"""Jobs as a program of somebody else's uses them."""

import asyncio
import logging
import re
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from clips import MakeClip

from sr4k import (
    AddressError,
    FieldError,
    Job,
    LiveJob,
    LiveProgress,
    OptionError,
    OutputError,
    Preset,
    Progress,
    Upscaler,
    configs,
    load_preset,
    probe,
)
from sr4k.cli.stream_app import stream_app
from sr4k.jobs.file_progress import Gauge
from sr4k.media.options import Box, VideoChoice
from sr4k.pipeline import WorkerStatus

QUICK: dict[str, Any] = {"engine": "nearest", "speed": "ultrafast", "workers": "threads"}


def test_progress_is_that_of_the_progress_line(make_clip: MakeClip, tmp_path: Path) -> None:
    seen: list[Progress] = []
    shown = Gauge()

    def show(statuses: dict[str, WorkerStatus]) -> None:
        shown.update(statuses, 0.0)

    summary = Job(make_clip("in.mp4", frames=30), tmp_path / "out.mp4", **QUICK).run(
        on_progress=seen.append, on_status=show
    )
    last = seen[-1]
    assert (last.frames, last.frames_total, last.share) == (summary.frames, 30, 1.0)
    assert (last.frames, last.frames_total, last.seconds) == (shown.frames, shown.total, shown.seconds)
    assert last.seconds == pytest.approx(30 / 25)
    assert last.fps > 0 and summary.fps > 0
    assert [each.frames for each in seen] == sorted(each.frames for each in seen)


@pytest.mark.slow(seconds=1)
def test_a_job_that_is_cancelled_from_its_callback_keeps_what_is_done(make_clip: MakeClip, tmp_path: Path) -> None:
    job = Job(str(make_clip("in.mp4", frames=500)), str(tmp_path / "out.mp4"), **QUICK)
    summary = job.start(on_progress=lambda progress: job.cancel() if progress.frames else None).result(240)
    assert summary.stopped and 0 < summary.frames < 500
    assert Path(summary.output).name == "out.partial.mp4"


def test_several_jobs_are_awaited_beside_each_other(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mp4", frames=5)

    async def together() -> list[int]:
        jobs = (Job(source, tmp_path / f"{name}.mkv", **QUICK) for name in "ab")
        return [summary.frames for summary in await asyncio.gather(*jobs)]

    assert asyncio.run(together()) == [5, 5]


@pytest.mark.slow
def test_log_records_of_worker_processes_reach_the_programs_loggers_by_their_names(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append((record.name, record.getMessage()))

    told = "pictures of 10 bits are encoded as hevc: codec names another."
    kept: list[tuple[str, str]] = []
    ours, root, handler = logging.getLogger("sr4k"), logging.getLogger(), Kept()
    ours.addHandler(handler)
    before = root.handlers[:], root.level, ours.handlers[:]
    try:
        source = make_clip("in.mkv", frames=3, codec="libx265", pix_fmt="yuv420p10le")
        Job(source, tmp_path / "out.mkv", engine="nearest").run()
        assert (root.handlers, root.level, ours.handlers) == before
        (name,) = (name for name, text in kept if text == told)
        assert name.startswith("sr4k.stages.")
        kept.clear()
        logging.getLogger("sr4k.stages").setLevel(logging.ERROR)
        Job(source, tmp_path / "other.mkv", engine="nearest", workers="threads").run()
        assert told not in dict(kept).values(), "levels of the program's loggers are heeded"
    finally:
        logging.getLogger("sr4k.stages").setLevel(logging.NOTSET)
        ours.removeHandler(handler)


@pytest.mark.slow
def test_a_live_job_is_started_watched_and_cancelled_by_the_same_verbs(tmp_path: Path) -> None:
    job = LiveJob("pattern://64x48@10", tmp_path / "out.mkv", engine="nearest", sound=False)
    seen: list[LiveProgress] = []

    def watch(progress: LiveProgress) -> None:
        seen.append(progress)
        if progress.sent:
            job.cancel()

    async def awaited() -> int:
        running = job.start(on_progress=watch)
        assert running.progress.state == "connecting"
        assert [target.target for target in running.progress.targets] == [str(tmp_path / "out.mkv")]
        summary = await running
        assert running.done
        return summary.restarts

    assert asyncio.run(awaited()) == 0
    assert seen[-1].state == "live" and seen[-1].received > 0
    assert (tmp_path / "out.mkv").exists()


def preset(**sections: dict[str, Any]) -> Preset:
    made = load_preset("file")
    for section, changes in sections.items():
        made = made.updated(section, **changes)  # type: ignore[arg-type]
    return made


NETWORK = {"model": "rcan", "precision": "fp32", "pixels": "bgr", "threads": 2, "reuse": False}

MEANT: dict[str, tuple[dict[str, Any], Preset]] = {
    "encoder": (
        {"codec": "hevc", "crf": 20, "speed": "medium", "options": {"tune": "grain"}},
        preset(encode={"codec": "hevc", "crf": 20, "preset": "medium", "options": {"tune": "grain"}}),
    ),
    "bit rate": ({"bitrate": "2.5M"}, preset(encode={"bitrate": 2_500_000})),
    "network": (
        {**NETWORK, "engine": "torch"},
        preset(engine={**NETWORK, "name": "torch"}),
    ),
    "graph": (
        {"workers": "processes", "lanes": 2, "devices": "0,1"},
        preset(graph={"mode": "processes", "lanes": 2, "devices": (0, 1)}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEANT)
def test_keywords_mean_what_the_options_of_the_command_do(kind: str) -> None:
    keywords, meant = MEANT[kind]
    assert Job("in.mp4", "out.mp4", **keywords).preset == meant


def test_one_keyword_replaces_what_the_preset_says_instead() -> None:
    mine = preset(encode={"bitrate": 1_000_000})
    assert Job("in.mp4", "out.mp4", preset=mine, crf=20).preset.encode.bitrate is None
    fast = Job("in.mp4", "out.mp4", preset="fast", codec="av1").preset.encode
    assert (fast.codec, fast.crf, fast.preset) == ("av1", None, None), "they are of another encoder"


def test_a_size_may_say_how_pictures_fit_into_it() -> None:
    assert Job("in.mp4", "out.mp4", size="640x480", fit="pad").size == Box(640, 480, "pad")
    assert LiveJob("pattern://64x48", "out.mkv", size="4k", fit="stretch").size == Box(
        3840, 2160, "stretch", turns=True
    )


def test_a_size_may_be_a_pair_and_a_track_a_number() -> None:
    job = Job("in.mkv", "out.mkv", size=(100, 80), track=1)
    assert (job.size, job.track) == (Box(100, 80), VideoChoice(1))
    assert LiveJob("pattern://64x48", "out.mkv", size=(100, 80)).size == Box(100, 80)
    with pytest.raises(OptionError, match="both sides must be even"):
        Job("in.mkv", "out.mkv", size=(101, 80))


def test_numbers_may_be_those_of_numpy() -> None:
    job = Job("in.mkv", "out.mkv", scale=np.float32(1.5), track=np.int64(1), cpus=np.int64(2), crf=np.int64(20))
    assert job == Job("in.mkv", "out.mkv", scale=1.5, track=1, cpus=2, crf=20)


def test_whatever_is_named_by_a_path_may_be_a_path_object(tmp_path: Path) -> None:
    fast = Path(configs.__file__).with_name("fast.yaml")
    assert load_preset(fast) == load_preset("fast")
    assert Job("in.mkv", "out.mkv", preset=fast) == Job("in.mkv", "out.mkv", preset="fast")
    LiveJob("pattern://64x48", "out.mkv", preset=fast.with_name("live.yaml"))
    Upscaler(preset=fast)
    for made in (partial(Job, "in.mkv", "out.mkv"), partial(LiveJob, "pattern://64x48", "out.mkv"), Upscaler):
        with pytest.raises(OptionError, match=r"/none\.onnx can't be read"):
            made(model=tmp_path / "none.onnx")


@pytest.mark.parametrize("path", [None, 3, b"in.mkv", "", "a\0b.mkv"])
def test_what_is_no_path_is_refused_in_a_sentence(path: Any) -> None:
    for take in (
        lambda: Job(path, "out.mkv"),
        lambda: Job("in.mkv", path),
        lambda: LiveJob(path, "out.mkv"),
        lambda: LiveJob("pattern://64x48", path),
        lambda: probe(path),
    ):
        with pytest.raises(OptionError, match=r"^A (path|source|target) can't be .*\.$"):
            take()


@pytest.mark.parametrize("address", ["rtmp://127.0.0.1/x", "srt://host:9000?passphrase=much-too-secret"])
def test_a_job_on_a_live_stream_is_pointed_to_the_other_class(address: str) -> None:
    for ends in ((address, "out.mkv"), ("in.mkv", address)):
        with pytest.raises(OptionError, match="is the address of a live stream: use LiveJob") as refused:
            Job(*ends)
        assert str(refused.value).startswith(address[:12]) and "secret" not in str(refused.value)


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data:1.mkv").touch()
    assert Job("data:1.mkv", "out.mkv").source == Path("data:1.mkv")


WHOLE = ("crf", "bitrate", "threads", "lanes", "reuse_threshold", "passes", "source_quality", "sharpness", "cpus")


@pytest.mark.parametrize("name", WHOLE)
def test_true_is_no_whole_number(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name} can't be True: it must be a whole number\.$"):
        Job("in.mp4", "out.mp4", **{name: True})


def test_nor_in_a_list_or_for_an_upscaler() -> None:
    with pytest.raises(OptionError, match=r"^devices can't be \(True,\): it must be a whole number\.$"):
        Job("in.mp4", "out.mp4", devices=[True])
    with pytest.raises(OptionError, match=r"^sharpness can't be True: it must be a whole number\.$"):
        Upscaler(sharpness=True)
    with pytest.raises(OptionError, match=r"live\.freshness: must be a number\."):
        load_preset("live").updated("live", freshness=True)


def test_the_page_names_the_options_that_have_no_keyword() -> None:
    keywords = {field.name for kind in (Job, LiveJob) for field in fields(kind)} | {"scale"}
    command = typer.main.get_command(stream_app)
    other = {"sources", "target", "version", "install_completion", "show_completion"}
    without = set()
    for param in command.params:
        names = {name.lstrip("-").replace("-", "_") for name in param.opts if name.startswith("--")}
        if names and not names & (keywords | other | {"config", "preview", "map"}):
            without |= names
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    (told,) = re.findall(r"These options have none: (.*?)\.\n", page, re.DOTALL)
    assert {*re.findall(r"`([a-z_]+)`", told)} - {"on_progress"} == without


REFUSED: dict[str, dict[str, Any]] = {
    "crf can't be 99: it must be at most 63.": {"crf": 99},
    "codec can't be vp9: use auto, h264, hevc": {"codec": "vp9"},
    "engine can't be 3: it must be text.": {"engine": 3},
    "There is no engine 'opencl': use .* tensorrt or torch": {"engine": "opencl"},
    "There is no model 'lumo'. Known: luma": {"model": "lumo"},
    "workers can't be fibres: use processes or threads.": {"workers": "fibres"},
    "lanes can't be 0: it must be at least 1, or auto.": {"lanes": 0},
    "The h264 encoder takes the speed ultrafast, .* not 'p9'": {"speed": "p9"},
    "'x' isn't a bit rate": {"bitrate": "x"},
    "leave crf or bitrate out": {"crf": 20, "bitrate": "3M"},
    "fit says how frames fit into a size: add a size, such as 4k.": {"fit": "pad"},
    "fit can't be 'crop': use inside, pad, stretch.": {"fit": "crop", "size": "4k"},
    "nowhere does not exist: weights takes a folder or a checkpoint.": {"weights": "nowhere"},
    'There is no preset .* The speed of the encoder is speed="medium"': {"preset": "medium"},
    "'a' isn't a list of NVIDIA GPUs": {"devices": "a"},
    "'0' isn't a frame rate": {"rate": 0},
}


@pytest.mark.parametrize("words", REFUSED)
def test_keywords_that_cant_be_or_contradict_each_other_are_refused_in_words(words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Job("in.mp4", "out.mp4", **REFUSED[words])


def test_so_are_those_of_a_live_job() -> None:
    with pytest.raises(FieldError, match="can't be run with crf 20: use bitrate, such as 20M"):
        LiveJob("pattern://64x48", "out.mkv", crf=20)
    with pytest.raises(OptionError, match="segments can't be mp3: use ts or fmp4"):
        LiveJob("pattern://64x48", "out/index.m3u8", segments="mp3")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="slate has to be the path of a picture's file, not a URL"):
        LiveJob("pattern://64x48", "out.mkv", slate="http://a/b.png")
    with pytest.raises(AddressError):
        LiveJob("gopher://a", "out.mkv")


def test_errors_of_a_run_name_keywords(make_clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").touch()
    with pytest.raises(OutputError, match=r"out\.mp4 exists: choose another name, or add overwrite=True\.$"):
        Job(make_clip("in.mp4"), tmp_path / "out.mp4", **QUICK).run()
