"""What operators want of a running channel is done without an interruption of its stream."""

import io
import os
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import video_times
from queues import until

from sr4k import LiveJob
from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport
from sr4k.live.steering import End, Line, StageEnd, Steering
from sr4k.live.thumbnail import Small
from sr4k.media.video import untagged_info
from sr4k.models.colour import Colour
from sr4k.pipeline import WorkerStatus, report_of


def brightness(jpeg: bytes) -> float:
    """Return the mean luma of a picture."""
    with av.open(io.BytesIO(jpeg), format="jpeg_pipe") as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


class Running:
    """A channel in a thread, from a test pattern into two recordings."""

    def __init__(self, folder: Path) -> None:
        self.steering, self.stops, self.latest = Steering(), 0, dict[str, WorkerStatus]()
        self.targets = [folder / "one.ts", folder / "two.ts"]
        self.job = LiveJob("pattern://320x180@25", [str(target) for target in self.targets], engine="nearest")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        self.job.run(steering=self.steering, stop_requests=lambda: self.stops, on_status=self.latest.update)

    @property
    def intake(self) -> IntakeReport:
        return report_of(self.latest, INTAKE, IntakeReport) or IntakeReport()

    @property
    def playout(self) -> PlayoutReport:
        return report_of(self.latest, PLAYOUT, PlayoutReport) or PlayoutReport()

    @property
    def states(self) -> list[str]:
        return [target.state for target in self.playout.targets]

    def seen(self, end: End) -> float:
        """Return the brightness of an end's latest picture; -1: there is none yet."""
        picture = self.steering.look(end)
        return -1.0 if picture is None else brightness(picture)


@pytest.mark.slow(seconds=9)
def test_slate_targets_rung_and_pictures_of_a_running_channel(tmp_path: Path) -> None:
    channel = Running(tmp_path)
    steering = channel.steering
    try:
        until(lambda: channel.states == ["live", "live"])
        assert steering.look("in") is None  # nobody had looked, so none was made
        until(lambda: channel.seen("in") > 30 and channel.seen("out") > 30)

        steering.wishes = replace(steering.wishes, slate=True)
        until(lambda: channel.playout.slate and channel.seen("out") == 0)
        assert channel.seen("in") > 30
        steering.wishes = replace(steering.wishes, slate=False, off=frozenset({2}), rung=1)
        until(lambda: channel.states == ["live", "off"])
        until(lambda: (channel.intake.pinned, channel.intake.rung) == (True, 1))
        assert channel.intake.rungs[1] == "every picture through the smaller network"
        until(lambda: channel.seen("out") > 30)
        steering.wishes = replace(steering.wishes, off=frozenset(), rung=None)
        until(lambda: channel.states == ["live", "live"] and not channel.intake.pinned)
        assert channel.playout.targets[1].connects == 2
        assert channel.playout.fps > 1 and channel.intake.bitrate >= 0 and channel.playout.targets[0].bitrate > 1000
    finally:
        channel.stops = 1
        channel.thread.join()
    times = video_times(channel.targets[0])
    assert len(times) > 25
    # Not even the slate made a gap. Where the machine is busy, the last picture is repeated after half a second.
    assert max(np.diff([float(time) for time in times])) < 1.0


def noise(height: int) -> Small:
    """Return a picture whose JPEG is large."""
    planes = [np.random.default_rng(0).integers(0, 256, (height // n, 320 // n), np.uint8) for n in (1, 2, 2)]
    return Small(tuple(planes), Colour(), Fraction(1))


def test_wishes_and_pictures_go_over_the_line() -> None:
    steering = Steering()
    line = Line(steering)
    stage = StageEnd(line.stage_end("in"))

    def shown(small: Small) -> bytes | None:
        stage._send(small)
        line.tend()
        return steering.look("in")

    steering.change(lambda wishes: replace(wishes, rung=2))
    line.tend()
    assert stage.hear() and stage.wishes.rung == 2
    picture = shown(noise(180))
    assert picture is not None and len(picture) > 16384 and brightness(picture) > 100
    assert shown(noise(1600)) == b"", "of an odd shape, it is too large for a message"
    assert shown(noise(180)) == picture
    line.close()


def test_a_stage_that_is_killed_while_it_sends_a_picture_holds_nobody_up() -> None:
    line = Line(Steering())
    os.write(line.stage_end("in").fileno(), (20_000).to_bytes(4, "big"))
    looking = threading.Thread(target=line.tend, daemon=True)
    looking.start()
    looking.join(10)
    assert not looking.is_alive()
    line.close()


@pytest.mark.parametrize(("bits", "subsampled"), [(8, True), (10, True), (8, False)])
def test_small_pictures_are_of_320_pixels_and_of_the_right_brightness(bits: int, subsampled: bool) -> None:
    info = untagged_info((1920, 1080), Fraction(25), Fraction(1, 90000))
    colour = Colour(bits=bits, sampling="420" if subsampled else "444")
    luma = np.full((1080, 1920), 126 * colour.unit, colour.dtype)
    chroma = np.full((540, 960) if subsampled else (1080, 1920), colour.middle, colour.dtype)
    small = Small.of((luma, chroma, chroma), replace(info, colour=colour, sample_aspect_ratio=Fraction(4, 3)))
    jpeg = small.as_jpeg()
    with av.open(io.BytesIO(jpeg), format="jpeg_pipe") as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (320, 136)
    assert 126 < picture.to_ndarray(format="rgb24").mean() < 130
    assert len(jpeg) < 20_000
