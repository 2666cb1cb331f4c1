"""Names of results: of complete ones, of those stopped early, and where another program took the name meanwhile."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clips import MakeClip, video_times

from sr4k import Job, Summary, load_preset
from sr4k.errors import OutputError
from sr4k.jobs.parse import parse_part
from sr4k.pipeline import Source
from sr4k.pipeline.chain import Chain
from sr4k.stages.encode import Encode

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent

Upscale = Callable[..., Summary]


@pytest.fixture
def upscale(make_clip: MakeClip, tmp_path: Path) -> Upscale:
    source = make_clip("a.mp4", frames=300)
    preset = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")

    def run(name: str, on_status: Any = lambda _: None, stops: Callable[[], int] = lambda: 0, **wishes: Any) -> Summary:
        return Job(source, tmp_path / name, preset=preset, **wishes).run(on_status=on_status, stop_requests=stops)

    return run


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Asks for a stop as soon as there are pictures; there are no more of them until the decoder has heard of it."""
    pictures: list[int] = []
    heard, consume, stop = threading.Event(), Encode.consume, Chain.stop

    def wait_for_the_stop(self: Encode, frame: Any) -> None:
        pictures.append(1)
        consume(self, frame)
        assert len(pictures) < 3 or heard.wait(60)

    def hear(self: Chain) -> None:
        stop(self)
        if isinstance(self._stages[0], Source):
            heard.set()

    monkeypatch.setattr(Encode, "consume", wait_for_the_stop)
    monkeypatch.setattr(Chain, "stop", hear)
    return lambda: int(len(pictures) > 2)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "a.mp4")


def test_what_was_ended_early_is_partial_until_it_is_resumed_to_its_end(
    upscale: Upscale, begun: Callable[[], int], tmp_path: Path
) -> None:
    early = upscale("out.mp4", stops=begun)
    assert (early.stopped, early.goes_on) == (True, True)
    assert names(tmp_path) == [".out.mp4.parts", "out.partial.mp4"]
    assert len(video_times(tmp_path / "out.partial.mp4")) == early.frames
    again = upscale("out.mp4", stops=begun, resume=True)  # stopped once more, perhaps
    assert names(tmp_path) == ([".out.mp4.parts", "out.partial.mp4"] if again.stopped else ["out.mp4"])
    assert upscale("out.mp4", resume=True).frames == 300
    assert names(tmp_path) == ["out.mp4"]


def test_a_partial_of_somebody_else_stays_and_beginning_again_replaces_ones_own(
    upscale: Upscale, begun: Callable[[], int], tmp_path: Path
) -> None:
    (tmp_path / "out.partial.mp4").write_text("precious")
    assert upscale("out.mp4", stops=begun).output == str(tmp_path / "out-2.partial.mp4")
    assert (tmp_path / "out.partial.mp4").read_text() == "precious"
    assert upscale("out.mp4", overwrite=True).frames == 300
    assert names(tmp_path) == ["out.mp4", "out.partial.mp4"]


def test_a_preview_that_was_ended_early_leaves_nothing_to_go_on_with(
    upscale: Upscale, begun: Callable[[], int], tmp_path: Path
) -> None:
    early = upscale("out.mp4", stops=begun, part=parse_part("10s"))
    assert (early.stopped, early.goes_on) == (True, False)
    assert names(tmp_path) == ["out.partial.mp4"]


def test_what_appears_while_it_runs_is_left_alone(upscale: Upscale, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"

    def appear(_statuses: Any) -> None:
        target.write_text("precious")

    with pytest.raises(OutputError, match=r"out\.mp4 has appeared meanwhile and was not replaced: .*out-2\.mp4"):
        upscale("out.mp4", on_status=appear)
    assert target.read_text() == "precious"
    assert len(video_times(tmp_path / "out-2.mp4")) == 300
    assert names(tmp_path) == ["out-2.mp4", "out.mp4"]


def test_any_name_goes_all_the_way_and_the_comparison_must_be_another(make_clip: MakeClip, tmp_path: Path) -> None:
    long = f"{'x' * 250}.mkv"
    make_clip("a.mp4", frames=2).rename(tmp_path / "Film: One 50%d.mp4")
    script = f"""
        set -e
        sr4k-stream 'Film: One 50%d.mp4' 'Data: 23:50%d.mp4' --workers threads -q --compare 'cmp: 1.mp4'
        sr4k-stream 'Data: 23:50%d.mp4' {long} --workers threads -q
        sr4k-stream {long} ./out.mp4 --compare ../{tmp_path.name}/out.mp4 && exit 1
        sr4k-stream {long} out.mp4 --overwrite --compare ./{long} && exit 1
        sr4k compare 'cmp: 1.mp4' 'cmp: 1.mp4' --plot './cmp: 1.mp4' && exit 1
        exit 0
    """
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert len(told) == 3
    assert all("is the same file as" in line for line in told)
    assert len(names(tmp_path)) == 4
