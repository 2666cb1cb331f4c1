"""Networks that users bring run wherever one of ours does, alone and before another."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import luma_planes, write_clip
from foreign_networks import convolutions, with_card
from skimage import data as photographs
from typer.testing import CliRunner

from rig.channel import eventually
from sr4k import Job, LiveJob, Scale, Upscaler, load_preset
from sr4k.bench.engine_alone import measure_engine
from sr4k.cli.main import app
from sr4k.common.opencv import cv2
from sr4k.engines.openvino import OpenVinoEngine
from sr4k.errors import OptionError
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.resume.journal import Journal
from sr4k.models.foreign import store
from sr4k.service.preflight_parts import troubles_of_parts


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def named(name: str, folder: Path, **wishes: object) -> str:
    """Add a network under a name, in place of another one."""
    path = convolutions(folder / "new.onnx", **wishes)  # type: ignore[arg-type]
    store.make_folder()
    if name in store.names():
        store.remove(name)
    store.keep(name, path, with_card(path))
    return name


def sides(path: Path) -> tuple[int, int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height, sum(1 for _ in container.decode(video=0))


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "size"), [(1, (34, 30)), (3, (100, 90))])
def test_a_video_of_odd_sides_becomes_one_of_even_sides(scale: int, size: tuple[int, int], tmp_path: Path) -> None:
    exact = {"codec": "ffv1", "pix_fmt": "yuv444p", "options": {}}
    clip = write_clip(tmp_path / "in.mkv", size=(33, 30), frames=3, audio=False, **exact)  # type: ignore[arg-type]
    done = Job(clip, tmp_path / "out.mkv", model=named("mine", tmp_path, scale=scale), workers="threads").run()
    assert sides(tmp_path / "out.mkv") == (*size, 3)
    assert (done.engine.engine, done.engine.model, done.engine.precision) == ("openvino", "mine", "fp32")


@pytest.mark.slow
def test_a_file_by_its_path_is_tested_once_and_a_size_is_scaled_to(tmp_path: Path, models: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", size=(48, 32), frames=2, audio=False)
    path = convolutions(tmp_path / "net.onnx")
    for scale in (2, 3):
        job = Job(clip, tmp_path / "out.mp4", model=str(path), scale=scale, workers="threads", overwrite=True)
        job.run()
        assert sides(tmp_path / "out.mp4") == (48 * scale, 32 * scale, 2)
    assert [each.stem for each in (models / "by-hash").iterdir()] == [store.hash_of_file(path)]


@pytest.mark.slow
def test_frames_in_memory_become_what_files_become(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (31, 45, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "in.png"), picture[..., ::-1])
    chain = f"{named('clean', tmp_path, scale=1)}+{named('triple', tmp_path, scale=3, seed=1)}"
    Job(tmp_path / "in.png", tmp_path / "out.png", model=chain, workers="threads").run()
    with Upscaler(chain) as up:
        made = up(picture)
    with av.open(str(tmp_path / "out.png")) as container:
        (there,) = container.decode(video=0)
    np.testing.assert_array_equal(made, there.to_ndarray(format="rgb24"))
    assert made.shape == (93, 135, 3)
    with Upscaler("triple") as up, Upscaler("clean") as clean:
        np.testing.assert_array_equal(up(clean(picture)), made)
        assert not np.array_equal(up(picture), made)


@pytest.mark.slow
def test_a_chain_is_told_and_our_own_networks_can_be_its_last(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", size=(48, 32), frames=2, audio=False)
    done = Job(clip, tmp_path / "out.mp4", model=f"{named('clean', tmp_path, scale=1)}+luma", workers="threads").run()
    assert done.engine.model == "luma" and done.engine.cleaned == ("clean",)
    assert sides(tmp_path / "out.mp4") == (96, 64, 2)
    assert done.engine.networks == "clean+luma"


def test_the_bytes_of_a_network_are_among_the_facts_of_a_job(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mp4", frames=1, audio=False)

    def facts(seed: int) -> dict[str, object]:
        return Job(clip, tmp_path / "out.mp4", model=named("mine", tmp_path, seed=seed)).facts()

    first = facts(0)
    assert first == facts(0)
    assert {key for key, value in facts(1).items() if first[key] != value} == {"engine.hashes.mine"}


def test_what_a_network_is_not_for_is_refused_before_anything_starts(tmp_path: Path) -> None:
    mine, big = named("mine", tmp_path, scale=1), named("big", tmp_path, scale=2)
    for options, said in (
        ({"model": "none"}, "Known: .*luma.*mine"),
        ({"model": f"{big}+luma"}, "can't come before"),
        ({"model": "luma+luma"}, "can't come before"),
        ({"model": "+luma"}, "There is no model ''"),
        ({"model": mine, "sharpness": 50}, "sharpness|luma networks"),
        ({"model": big, "engine": "cuda"}, "The engine cuda runs only .* big is one of yours"),
        ({"model": f"{mine}+luma", "engine": "cuda"}, "The engine cuda runs only .* mine is one of yours"),
        ({"model": big, "passes": 2}, "passes is for the networks that ship"),
        ({"model": mine, "source_quality": 30}, "source_quality is for"),
        ({"model": "rcan2", "source_quality": 30}, "source_quality is for .*luma, luma-fast, luma-large.*rcan2 isn't"),
        ({"model": "nets/2x.pth"}, "sr4k model add nets/2x.pth"),
        ({"model": mine, "weights": tmp_path}, "weights is for"),
        ({"model": mine, "precision": "int8"}, "runs in float"),
        ({"model": "rtmp://example.com/key"}, "can't be a URL"),
    ):
        with pytest.raises(OptionError, match=said):
            Job("in.mp4", "out.mp4", **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_check_before_serving_starts_it(tmp_path: Path) -> None:
    job = LiveJob("pattern://64x48@25", (str(tmp_path / "out.ts"),), model=named("mine", tmp_path, scale=3))
    assert list(troubles_of_parts(job)) == []
    store.files_of_name("mine")[0].write_bytes(b"other")
    assert any("not the one that was added" in each for each in troubles_of_parts(job))


def test_a_scale_is_of_the_source_whatever_the_network_makes(tmp_path: Path) -> None:
    def size(scale: int, model: str) -> object:
        return Job("in.mp4", "out.mp4", model=model, scale=scale).size

    triple = named("triple", tmp_path, scale=3)
    assert (size(2, triple), size(3, triple)) == (Scale(Fraction(2)), None)
    assert (size(2, "luma"), size(3, "luma")) == (None, Scale(Fraction(3)))


def stream(*arguments: object, code: int = 0) -> str:
    """Run sr4k stream in this process, and return what it prints on standard output."""
    ran = CliRunner().invoke(app, ["stream", *map(str, arguments), "--workers", "threads", "--quiet"])
    assert ran.exit_code == code, ran.output
    return ran.stdout


@pytest.mark.slow(seconds=2)
def test_lanes_and_a_comparison_and_a_pipe_give_the_picture_that_one_lane_gives(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    clip = write_clip(tmp_path / "in.mkv", size=(48, 32), frames=3, audio=False)
    mine, sheet = ("--model", named("mine", tmp_path, scale=3)), tmp_path / "sheet.png"
    exact = ("--codec", "h264", "--crf", 0)
    done = json.loads(stream(clip, tmp_path / "a.mkv", *mine, *exact, "--lanes", 2, "--compare", sheet, "--json"))
    assert done["engine"]["lanes"] == 2 and done["engine"]["model"] == "mine"
    assert cv2.imread(str(sheet)) is not None
    capfdbinary.readouterr()
    Job(clip, "-", model="mine", format="rawvideo", workers="threads").run()
    piped = capfdbinary.readouterr().out
    with av.open(str(tmp_path / "a.mkv")) as container:
        frames = [frame.to_ndarray(format="yuv420p").tobytes() for frame in container.decode(video=0)]
    assert b"".join(frames) == piped and len(frames) == 3


@pytest.mark.slow(seconds=1)
def test_a_dry_run_measures_it_and_a_benchmark_of_the_engine_runs_it(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mkv", size=(48, 32), frames=3, audio=False)
    told = json.loads(stream(clip, tmp_path / "out.mkv", "--model", named("mine", tmp_path), "--dry-run", "--json"))
    assert "mine" in json.dumps(told) and not (tmp_path / "out.mkv").exists()
    found = measure_engine("openvino", "mine", (48, 32), frames=4, rounds=1)
    assert found.macs == store.find("mine").card.macs(32, 48) and found.median > 0  # type: ignore[union-attr]


@pytest.mark.slow(seconds=2)
def test_a_live_stream_goes_through_it(tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    named("clean", tmp_path, scale=1)
    chain = f"clean+{named('mine', tmp_path, scale=3)}"
    LiveJob("pattern://64x48@5?seconds=1", (str(out),), model=chain, sound=False).run()
    width, height, frames = sides(out)
    assert (width, height) == (192, 144) and frames > 0


@pytest.mark.slow(seconds=2)
def test_a_job_that_was_stopped_goes_on_with_the_same_network_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, out = write_clip(tmp_path / "in.mkv", size=(48, 32), frames=75), tmp_path / "out.mkv"
    preset = load_preset("file").updated("encode", codec="h264", crf=0, segment_seconds=1)

    def job(target: Path, seed: int = 0, *, resume: bool = True) -> Job:
        return Job(
            clip, target, model=named("mine", tmp_path, seed=seed), preset=preset, resume=resume, workers="threads"
        )

    job(tmp_path / "whole.mkv", resume=False).run()
    computed, took = OpenVinoEngine.result_impl, iter(range(1000))

    def slowly(engine: OpenVinoEngine) -> object:
        time.sleep(0.5 if next(took) > 30 else 0)
        return computed(engine)

    with monkeypatch.context() as patch:
        patch.setattr(OpenVinoEngine, "result_impl", slowly)
        stopped = job(out, resume=False).run(stop_requests=lambda: int(bool(Journal(folder_of(out)).segments())))
        assert 25 <= stopped.frames < 75
    with pytest.raises(OptionError, match=r"engine\.hashes\.mine was"):
        job(out, seed=1).run()
    assert job(out).run().resumed > 0
    assert np.array_equal(luma_planes(out), luma_planes(tmp_path / "whole.mkv"))


@pytest.mark.slow
def test_pictures_that_stay_are_not_computed_again_in_a_job(tmp_path: Path) -> None:
    clip = tmp_path / "still.mkv"
    with av.open(str(clip), "w") as target:
        stream = target.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(5):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 48), 99, np.uint8), "yuv420p")))
        target.mux(stream.encode(None))
    mine = named("mine", tmp_path)
    shares = [
        Job(clip, tmp_path / "out.mkv", model=mine, reuse=reuse, workers="threads", overwrite=True)
        .run()
        .engine.computed
        for reuse in (True, False)
    ]
    assert shares == [0.2, None]


@pytest.mark.slow(seconds=1)
def test_it_is_evaluated_and_the_benchmark_runs_it(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert cv2.imwrite(str(tmp_path / "pictures" / "cat.png"), photographs.chelsea()[:96, :120, ::-1])
    told = CliRunner().invoke(
        app, ["eval", str(tmp_path / "pictures"), "--model", named("mine", tmp_path, scale=3), "--json"]
    )
    assert told.exit_code == 0, told.output
    assert "mine" in json.loads(told.stdout)


@pytest.mark.slow(seconds=4)
def test_a_service_runs_it(tmp_path: Path) -> None:
    out, mine = tmp_path / "out.mkv", named("mine", tmp_path, scale=3)
    (tmp_path / "channels.yaml").write_text(f"""
channels:
  one:
    source: pattern://64x48@5
    targets: [{out}]
    options: {{engine: {{model: {mine}}}}}
""")
    command = [Path(sys.executable).parent / "sr4k", "serve", tmp_path / "channels.yaml"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ)) as service:
        try:
            assert eventually(lambda: out.exists() and out.stat().st_size > 1000, 120)
        finally:
            service.send_signal(signal.SIGTERM)
            said = service.communicate(timeout=120)[1]
    assert service.returncode == 0, said
    assert sides(out)[:2] == (192, 144)
