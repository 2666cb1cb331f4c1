"""After a kill, little is encoded again, with the same result: jobs in threads, with the toy engine."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from av.video.stream import VideoStream
from clips import packet_bytes, video_times, write_clip

from sr4k import Job, Summary, load_preset
from sr4k.media.resume.job_folder import Parts, folder_of
from sr4k.media.resume.journal import NAME, Journal
from sr4k.pipeline import Source
from sr4k.pipeline.chain import Chain
from sr4k.stages import encode
from sr4k.stages.encode import Encode

pytestmark = pytest.mark.slow

FRAMES = 100
"""Number of frames: four seconds."""

Upscale = Callable[..., Summary]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", frames=FRAMES, size=(64, 48))


@pytest.fixture
def upscale(clip: Path, tmp_path: Path) -> Upscale:
    source = tmp_path / clip.name
    source.write_bytes(clip.read_bytes())
    preset = load_preset("file").updated("engine", name="nearest").updated("graph", mode="threads")

    def run(name: str, *, resume: bool = False, stops: Callable[[], int] = lambda: 0, **settings: Any) -> Summary:
        quality = {} if "bitrate" in settings else {"crf": 30}
        chosen = preset.updated("encode", **({"segment_seconds": 1} | quality | settings))
        return Job(source, tmp_path / name, preset=chosen, resume=resume).run(stop_requests=stops)

    return run


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep finished segments, as if the job were killed before they are removed."""
    monkeypatch.setattr(Parts, "remove", lambda _parts: None)


def killed_after(segments: int, target: Path) -> None:
    """Bring the folder into the state after a kill at that number of segments."""
    journal = folder_of(target) / NAME
    lines = journal.read_text().splitlines(keepends=True)
    last = [number for number, line in enumerate(lines) if '"segment"' in line][segments - 1]
    journal.write_text("".join(lines[: last + 1]))
    target.unlink()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("settings", [{}, {"bitrate": 200_000}, {"codec": "hevc", "preset": "ultrafast"}])
def test_what_is_done_again_is_what_it_was_to_the_bit(
    settings: dict[str, Any], upscale: Upscale, tmp_path: Path
) -> None:
    upscale("whole.mp4", **settings)
    upscale("out.mp4", **settings)
    for segments in (1, 3):
        killed_after(segments, tmp_path / "out.mp4")
        assert upscale("out.mp4", resume=True, **settings).resumed == 25 * segments
        for kind in ("video", "audio"):
            assert packet_bytes(tmp_path / "out.mp4", kind) == packet_bytes(tmp_path / "whole.mp4", kind)


@pytest.mark.usefixtures("kept")
def test_a_segment_ends_when_it_was_worked_on_for_long(
    upscale: Upscale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = iter(range(1_000_000))  # a second passes with each look
    monkeypatch.setattr(encode, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    upscale("out.mp4", segment_seconds=3600, work_seconds=20)
    segments = Journal(folder_of(tmp_path / "out.mp4")).segments()
    assert sum(segment.frames for segment in segments) == FRAMES
    assert len(segments) > 4
    assert max(segment.frames for segment in segments) <= 20
    assert video_times(tmp_path / "out.mp4") == video_times(tmp_path / "a.mp4")


def test_encoders_of_segments_that_have_ended_go(upscale: Upscale, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, another = [], Encode._another_encoder

    def counted(self: Encode) -> VideoStream:
        alive.append(sum(type(thing) is VideoStream for thing in gc.get_objects()))  # which asks nothing of them
        return another(self)

    monkeypatch.setattr(Encode, "_another_encoder", counted)
    upscale("out.mp4", work_seconds=1, segment_seconds=1)
    assert len(alive) >= 3
    assert max(alive) == alive[0]


@pytest.mark.usefixtures("kept")
def test_after_a_cut_elsewhere_segments_end_where_they_always_do(
    upscale: Upscale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upscale("whole.mp4")
    begun, heard, consume, stop = threading.Event(), threading.Event(), Encode.consume, Chain.stop

    def wait_for_the_stop(self: Encode, frame: Any) -> None:
        if frame.info.pts > frame.info.time_base.denominator // 3:
            begun.set()
            assert heard.wait(60)
        consume(self, frame)

    def hear(self: Chain) -> None:
        stop(self)
        if isinstance(self._stages[0], Source):
            heard.set()

    with monkeypatch.context() as patch:
        patch.setattr(Encode, "consume", wait_for_the_stop)
        patch.setattr(Chain, "stop", hear)
        early = upscale("out.mp4", stops=lambda: int(begun.is_set()))
    assert early.stopped
    done = upscale("out.mp4", resume=True)
    assert done.resumed == early.frames
    segments = Journal(folder_of(tmp_path / "out.mp4")).segments()
    ends = [sum(segment.frames for segment in segments[: number + 1]) for number in range(len(segments))]
    assert {25, 50, 75, 100} <= {*ends}
    assert video_times(tmp_path / "out.mp4") == video_times(tmp_path / "whole.mp4")


def test_a_stop_while_the_file_is_made_ends_it_there_and_resume_makes_it_whole(
    upscale: Upscale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, heard, real, stop = threading.Event(), threading.Event(), encode.joined, Encode.stop

    def slow(*args: Any) -> Iterator[Any]:
        for number, packet in enumerate(real(*args)):
            if number == 40:
                asked.set()
                assert heard.wait(60)
                time.sleep(0.05)
            yield packet

    def hear(self: Encode) -> None:
        stop(self)
        heard.set()

    with monkeypatch.context() as patch:
        patch.setattr(encode, "joined", slow)
        patch.setattr(Encode, "stop", hear)
        early = upscale("out.mp4", stops=lambda: int(asked.is_set()))
    left = tmp_path / "out.partial.mp4"
    assert (early.stopped, early.goes_on, early.output) == (True, True, str(left))
    assert early.frames == len(video_times(left)) == 40
    assert not (tmp_path / "out.mp4").exists()
    done = upscale("out.mp4", resume=True)
    assert (done.frames, done.resumed) == (FRAMES, FRAMES)
    assert video_times(tmp_path / "out.mp4") == video_times(tmp_path / "a.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]
