import itertools
import multiprocessing
import time
from fractions import Fraction
from pathlib import Path

import pytest

from rig.channel import Channel, eventually
from rig.fair_time import Stopwatch
from rig.servers import free_port
from sr4k.errors import InputError
from sr4k.live.address import parse_source
from sr4k.live.receive.intake import Intake
from sr4k.live.receive.link import Opened
from sr4k.live.settings import IntakeSettings
from sr4k.live.timeline import TIME_BASE
from sr4k.media.decoded_picture import padded_format
from sr4k.media.video import untagged_info
from sr4k.pipeline.chain import HeapBuffers

pytestmark = pytest.mark.slow


def test_pictures_come_in_time_and_end_with_the_source() -> None:
    intake = Intake(IntakeSettings(source=parse_source("pattern://64x48@25?seconds=2"), sound=None))
    form = intake.open()
    assert (form.about.width, form.about.height) == (64, 48)
    times, watch = [], Stopwatch()
    for frame in intake.frames(HeapBuffers(form)):
        assert time.monotonic() - frame.info.born < watch.stretched(0.5)
        times.append(frame.info.pts)
        frame.release()
    intake.close()
    assert 40 / watch.slowdown <= len(times) <= 50
    assert all(b > a for a, b in itertools.pairwise(times))


def test_pictures_that_nobody_takes_are_let_go_the_oldest_first() -> None:
    intake = Intake(IntakeSettings(source=parse_source("pattern://64x48@50?seconds=4"), sound=None))
    form = intake.open()
    ages, watch = [], Stopwatch()
    for frame in intake.frames(HeapBuffers(form)):
        ages.append(time.monotonic() - frame.info.born)
        time.sleep(0.2)
        frame.release()
    report = intake.report()
    intake.close()
    assert max(ages) < watch.stretched(0.5)
    assert report.dropped["late"] + report.dropped["full"] > 100
    assert report.rung > 0


def test_a_pattern_begins_when_all_that_follows_is_ready() -> None:
    told, tells = multiprocessing.Pipe(duplex=False)
    intake = Intake(IntakeSettings(source=parse_source("pattern://64x48@25?seconds=0.2"), sound=None, ready=told))
    form = intake.open()
    eventually(lambda: intake.report().state == "waiting", 60)
    assert intake.report().frames == 0
    tells.send(True)
    for frame in intake.frames(HeapBuffers(form)):
        frame.release()
    assert intake.report().frames > 0
    intake.close()


def test_a_stop_ends_the_wait_for_a_source() -> None:
    intake = Intake(IntakeSettings(source=parse_source(f"rtmp://127.0.0.1:{free_port()}/live/key"), sound=None))
    intake.stop()
    with pytest.raises(InputError, match="stopped before its first picture"):
        intake.open()
    intake.close()


def test_what_is_left_out_of_a_source_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    intake = Intake(IntakeSettings(source=parse_source("rtmp://host/live/key"), sound=None))
    form = padded_format(untagged_info((64, 48), Fraction(25), TIME_BASE))
    for tracks in ("stream 2 (audio, aac)", "stream 2 (audio, aac)", "", "stream 3 (data, unknown)"):
        intake._opened(Opened(form, tracks))
    why = "; left out, as a live output has one track of pictures and one of sound."
    assert [line.message for line in caplog.records if "left out" in line.message] == [
        f"rtmp://host/live/***: stream {tracks}{why}" for tracks in ("2 (audio, aac)", "3 (data, unknown)")
    ]


def test_a_number_of_tries_may_be_enough() -> None:
    source = parse_source(f"rtmp://127.0.0.1:{free_port()}/live/key")
    intake = Intake(IntakeSettings(source=source, sound=None, tries=2))
    with pytest.raises(InputError, match="refused") as caught:
        intake.open()
    intake.close()
    assert "key" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with Channel(str(tmp_path / "none.mp4"), str(tmp_path / "out.mkv"), options=("--realtime",)) as channel:
        assert channel.process.wait(120) == 3
        assert "does not exist" in channel.log
        assert "Traceback" not in channel.log
