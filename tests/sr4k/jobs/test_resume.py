"""Jobs that are interrupted at any moment and resumed: real processes, real kills."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip, luma_planes, packet_bytes, video_times, write_clip
from holding import held

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.shared_memory import in_use, names
from sr4k import Job, Summary, load_preset
from sr4k.errors import OptionError, OutputError, StoppedError
from sr4k.media.resume.job_folder import Parts, claimed, folder_of
from sr4k.media.resume.journal import Journal

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
PRESET = """
description: For tests.
graph:
  workers: {upscale: [decode, preprocess, infer, reconstruct, convert], encode: [encode]}
engine: {name: nearest}
encode: {codec: CODEC, crf: CRF, preset: "SPEED", segment_seconds: 1}
"""
VFR = [90_000 + 3600 * n + 700 * (n % 3) for n in range(100)]


def written(folder: Path, codec: str = "h264", speed: str = "veryfast") -> Path:
    """Write a preset; return its path."""
    path, crf = folder / f"{codec}.yaml", "1" if codec == "av1" else "0"  # the best of each
    path.write_text(PRESET.replace("CODEC", codec).replace("SPEED", speed).replace("CRF", crf))
    return path


@pytest.fixture
def preset(tmp_path: Path) -> Callable[..., Path]:
    return partial(written, tmp_path)


def command(source: Path, target: Path, preset: Path, *options: str) -> list[str]:
    return [str(BIN / "sr4k-stream"), str(source), str(target), "-c", str(preset), "--json", *options]


def run(*args: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*args), capture_output=True, text=True, timeout=240, check=False)


def run_here(source: Path, target: Path, preset: Path, **wishes: Any) -> Summary:
    """Run a job in threads of this process, where processes are not what is looked at: those take longer to start."""
    return Job(source, target, preset=str(preset), workers="threads", **wishes).run()


def killed(args: list[str], folder: Path, more: int, *, group: bool = False) -> None:
    """Start a job and, after so many more segments, kill its supervisor, whose workers then end, or the whole group."""
    shared, segments = names(), len(Journal(folder).segments()) + more
    environment = held(after=25 * more + 8, seconds=0.3)  # so that it is not done before it is killed
    with subprocess.Popen(
        args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    ) as process:
        watch = Stopwatch()
        while len(Journal(folder).segments()) < segments:
            assert process.poll() is None
            assert watch.fair < 60
            time.sleep(0.02)
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    if group:  # with Python's own tracker of semaphores, too
        for left in names() - shared - in_use():
            left.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("name", "wishes"),
    [
        ("cfr.mp4", {}),
        ("vfr.mkv", {"pts": [40 * n + n % 7 for n in range(100)], "time_base": Fraction(1, 1000)}),
        ("pyramid.mp4", {"context": {"max_b_frames": 3, "gop_size": 40}, "options": {"x264-params": "b-pyramid=2"}}),
        ("open.mp4", {"context": {"max_b_frames": 3, "gop_size": 30}, "options": {"x264-params": "open-gop=1"}}),
        ("offset.ts", {"pts": VFR, "time_base": Fraction(1, 90000)}),
    ],
)
def test_kills_at_random_moments_leave_no_trace_in_the_result(
    name: str, wishes: dict[str, Any], make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    source, chance = make_clip(name, frames=100, size=(160, 90), **wishes), random.Random(name)
    suffix, chosen = Path(name).suffix, preset()
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    run_here(source, whole, chosen)
    folder = folder_of(target)
    killed(command(source, target, chosen), folder, chance.randint(1, 2), group=True)
    assert not target.exists()
    killed(command(source, target, chosen, "--resume"), folder, 1)
    last = run_here(source, target, chosen, resume=True)
    assert last.frames == len(video_times(whole)) == 100
    assert last.resumed >= 50
    assert video_times(target) == video_times(whole) == video_times(source)
    assert np.array_equal(luma_planes(target), luma_planes(whole))
    assert packet_bytes(target, "audio") == packet_bytes(whole, "audio")
    assert not folder.exists()


def test_at_most_one_segment_is_done_again(begun: Callable[..., Summary], tmp_path: Path) -> None:
    kept = sum(segment.frames for segment in Journal(folder_of(tmp_path / "out.mp4")).segments())
    assert kept >= 50
    done = begun()
    assert done.resumed == kept
    assert done.stages["encode"].frames == 100 - kept


def test_what_was_lost_before_a_kill_is_told_after_it(
    make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    source, target, chosen = make_clip("a.mkv", frames=75, size=(160, 90), audio=False), tmp_path / "out.mkv", preset()
    data = bytearray(source.read_bytes())
    data[len(data) // 10 : len(data) // 10 + 200] = bytes(200)  # within the first second
    source.write_bytes(data)
    killed(command(source, target, chosen), folder_of(target), 2)
    done = run(source, target, chosen, "--resume")
    assert done.returncode == 9, done.stderr
    told = json.loads(done.stdout)
    assert told["losses"]["earlier"] > 0
    assert told["resumed"] > 25


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_other_encoders_are_cut_and_joined_as_well(
    codec: str, make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    source, target = make_clip("a.mp4", frames=75, size=(160, 90)), tmp_path / "out.mp4"
    chosen = preset(codec, "ultrafast" if codec == "hevc" else "12")
    killed(command(source, target, chosen), folder_of(target), 2)
    assert run_here(source, target, chosen, resume=True).resumed > 0
    assert video_times(target) == video_times(source)
    with av.open(str(target)) as container:
        assert len(list(container.decode(video=0))) == 75


def test_a_signal_leaves_what_is_done_and_it_can_be_gone_on_with(
    make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    source, target, chosen = make_clip("a.mp4", frames=150, size=(160, 90)), tmp_path / "out.mp4", preset()
    args = [arg for arg in command(source, target, chosen) if arg != "--json"]
    environment = held(after=50, seconds=0.1)
    with subprocess.Popen(
        args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        eventually(lambda: len(Journal(folder_of(target)).segments()) >= 2, 60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "--resume" in told
    assert not target.exists()
    early = video_times(tmp_path / "out.partial.mp4")
    assert 50 <= len(early) < 150
    refused = run(source, target, chosen)
    assert refused.returncode == 4
    assert run(source, target, chosen, "--resume").returncode == 0
    assert video_times(target) == video_times(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "h264.yaml", "out.mp4"]


def test_a_second_run_on_the_same_target_is_refused(
    make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    source, target, chosen = make_clip("a.mp4", frames=20), tmp_path / "out.mp4", preset()
    with claimed(target):
        done = run(source, target, chosen)
    assert (done.returncode, "another run" in done.stderr) == (4, True)
    assert run_here(source, target, chosen).frames == 20


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a source and what a job on it had done when it was killed."""
    folder = tmp_path_factory.mktemp("left")
    source, target = write_clip(folder / "a.mp4", frames=100, size=(160, 90)), folder / "out.mp4"
    killed(command(source, target, written(folder)), folder_of(target), 2)
    return folder


@pytest.fixture
def begun(left: Path, tmp_path: Path) -> Callable[..., Summary]:
    """Return a function that resumes the interrupted job, perhaps with other settings."""
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    source, target, preset = tmp_path / "a.mp4", tmp_path / "out.mp4", load_preset(str(tmp_path / "h264.yaml"))

    def go_on(*, resume: bool = True, overwrite: bool = False, stops: int = 0, **encode: Any) -> Summary:
        chosen = preset.updated("encode", **encode).updated("graph", mode="threads")
        return Job(source, target, preset=chosen, overwrite=overwrite, resume=resume).run(stop_requests=lambda: stops)

    return go_on


def test_what_was_begun_is_not_begun_again_unasked(begun: Callable[..., Summary]) -> None:
    with pytest.raises(OutputError, match="resume=True"):
        begun(resume=False)
    assert begun(resume=False, overwrite=True).resumed == 0


def test_another_job_can_not_go_on_with_it(begun: Callable[..., Summary], tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"encode\.crf was 0, is 20; overwrite=True instead of resume=True starts again"
    ):
        begun(crf=20)
    with pytest.raises(OptionError, match=r"encode\.crf was 0, is 20; leave resume=True out to start again"):
        begun(overwrite=True, crf=20)
    source = tmp_path / "a.mp4"
    source.write_bytes(source.read_bytes() + b"x")
    with pytest.raises(OptionError, match=r"source\.bytes"):
        begun()
    assert begun(resume=False, overwrite=True).frames == 100


def test_of_several_videos_those_that_are_done_are_left_alone(
    make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path
) -> None:
    sources, folder, chosen = [make_clip("a.mp4", frames=20), make_clip("b.mp4", frames=20)], tmp_path / "out", preset()
    folder.mkdir()
    run_here(sources[0], folder / "a.mp4", chosen)
    before = (folder / "a.mp4").stat().st_mtime_ns
    args = [str(BIN / "sr4k-stream"), *map(str, sources), str(folder), "-c", str(chosen), "--resume"]
    for _ in range(2):
        done = subprocess.run(args, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{folder / 'a.mp4'} exists already: skipped." in done.stderr
    assert (folder / "a.mp4").stat().st_mtime_ns == before
    assert video_times(folder / "b.mp4") == video_times(sources[1])


def test_a_torn_line_and_a_torn_segment_are_done_again(begun: Callable[..., Summary], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "out.mp4")
    parts = Journal(folder).segments()
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write('{"segment": {"name": "0000')
    with (folder / parts[-1].name).open("r+b") as file:
        file.truncate(parts[-1].bytes - 1)
    assert begun().resumed == sum(part.frames for part in parts[:-1])


def test_nothing_is_left_of_a_job_that_had_done_nothing(tmp_path: Path) -> None:
    with claimed(tmp_path / "out.mp4") as parts:
        parts.begin({}, resume=False, overwrite=False)
        assert parts.folder.exists()
    assert not list(tmp_path.iterdir())
    assert Parts(tmp_path / "out.mp4").done_until is None


def test_what_was_done_but_for_tidying_up_is_ended(
    begun: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", lambda _parts: None)
        begun()
    target = tmp_path / "out.mp4"
    times = video_times(target)
    assert folder_of(target).exists()
    assert begun().resumed == len(times) == 100
    assert video_times(target) == times
    assert not folder_of(target).exists()


def test_a_stop_before_anything_new_keeps_picture_and_sound(begun: Callable[..., Summary], tmp_path: Path) -> None:
    done = begun(stops=1)
    assert done.stopped
    left = tmp_path / "out.partial.mp4"
    assert done.output == str(left)
    assert len(video_times(left)) == done.frames >= 50
    sound = packet_bytes(left, "audio")
    assert sound[-1][0] == pytest.approx(done.frames / 25, abs=0.2)


def test_what_a_preview_left_is_begun_again(make_clip: MakeClip, preset: Callable[..., Path], tmp_path: Path) -> None:
    source, target, chosen = make_clip("a.mp4", frames=100, size=(160, 90)), tmp_path / "out.mp4", preset()
    killed(command(source, target, chosen, "--preview", "3s"), folder_of(target), 1)
    assert Journal(folder_of(target)).segments()
    assert run_here(source, target, chosen).frames == 100


def test_two_signals_stop_at_once_and_tell_how_to_go_on(begun: Callable[..., Summary]) -> None:
    with pytest.raises(StoppedError, match=r"^Stopped at once\. Finished frames are kept: resume=True continues\.$"):
        begun(stops=2)
    assert begun().frames == 100
