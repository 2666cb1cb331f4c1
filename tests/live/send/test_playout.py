"""The playout with real encoders, into a recording."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from rig.channel import eventually
from sr4k.live.address import parse_target
from sr4k.live.audio_blocks import pack
from sr4k.live.channel_reports import PlayoutReport
from sr4k.live.send import playout
from sr4k.live.send.flv import Tag
from sr4k.live.send.live_target import LiveTarget
from sr4k.live.send.playout import Playout
from sr4k.live.settings import PlayoutSettings
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.models.colour import Colour
from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec

pytestmark = pytest.mark.slow

SIZE = (128, 96)
RATE = 25
STEP = TICKS // RATE
INFO = VideoInfo(
    width=SIZE[0],
    height=SIZE[1],
    time_base=TIME_BASE,
    rate=Fraction(RATE),
    tags=ColourTags(6, 1, 6, 6),
    colour=Colour("bt601"),
)


class Rig:
    """A playout, fed by hand in real time."""

    def __init__(self, path: Path, *, connects: bool = True, **changes: object) -> None:
        heard, self.sound = multiprocessing.Pipe(duplex=False)
        settings = PlayoutSettings(targets=(parse_target(str(path)),), sound=heard, hold=0.2)
        self.playout = Playout(replace(settings, **changes))  # type: ignore[arg-type]
        self.playout.open(Format((PlaneSpec((SIZE[1] * 3 // 2, SIZE[0])),), about=INFO))
        self.released = self.given = 0
        self.zero = TICKS
        self.show(0)  # there is nothing to connect with before the first picture
        if connects:
            # It counts as live only seconds later, when its muxer has written more than the header.
            eventually(lambda: path.exists() and path.stat().st_size > 0, 60)  # meanwhile the picture is repeated
            time.sleep(0.1)
        self.before = self.playout.report()
        self.zero = round(self.before.seconds * TICKS)

    def show(self, number: int, level: int = 100) -> None:
        def released() -> None:
            self.released += 1

        block = np.full((SIZE[1] * 3 // 2, SIZE[0]), level, np.uint8)
        self.given += 1
        info = FrameInfo(pts=self.zero + number * STEP, time_base=TIME_BASE, born=time.monotonic())
        self.playout.consume(Frame((block,), info, on_release=released))

    def say(self, number: int, level: int = 1000) -> None:
        """Send the sound of one picture."""
        samples = np.full((48000 // RATE, 2), level, "<i2")
        self.sound.send_bytes(pack(self.zero + number * STEP, samples.tobytes()))

    def play(self, numbers: range, *, sound: bool = True, level: int = 100) -> None:
        began = time.monotonic()
        for count, number in enumerate(numbers, 1):
            if sound:
                self.say(number)
            self.show(number, level)
            time.sleep(max(0.0, began + count / RATE - time.monotonic()))

    def finish(self) -> PlayoutReport:
        self.playout.finish(complete=True)
        report = self.playout.report()
        self.playout.close()
        counted = ("repeated", "silence_seconds", "past")
        return replace(report, **{key: getattr(report, key) - getattr(self.before, key) for key in counted})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(**changes: object) -> Rig:
        made.append(Rig(tmp_path / "out.mkv", **changes))
        return made[-1]

    yield make
    for each in made:
        each.playout.close()


def packets(path: Path, kind: str) -> list[tuple[float, bool]]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [(float(p.pts * p.time_base), bool(p.is_keyframe)) for p in container.demux(stream) if p.pts is not None]


def rest(live: Rig) -> None:
    """Feed nothing until pictures have stood in for almost a second."""
    before = live.playout.report().repeated
    eventually(lambda: live.playout.report().repeated > before + 20, 60)


def levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [int(f.to_ndarray()[: SIZE[1]].mean()) for f in container.decode(video=0)]


def test_pictures_and_sound_go_out_with_their_times_and_a_key_frame_every_so_often(rig, tmp_path: Path) -> None:
    live = rig(key_seconds=1.0, hold=60.0)  # a machine that is busy may feed it late
    live.play(range(1, 76))
    report = live.finish()
    video, audio = packets(tmp_path / "out.mkv", "video"), packets(tmp_path / "out.mkv", "audio")
    assert np.diff([t for t, _ in video]) == pytest.approx([1 / RATE] * 75, abs=0.0011)
    keys = [t for t, key in video if key]
    assert keys[0] == video[0][0]
    between = [t - max(k for k in keys if k <= t) for t, key in video if not key]
    assert max(between) <= 1.001, "the first picture of every second is a key frame, however late it comes"
    assert abs(video[-1][0] - audio[-1][0]) < 0.1
    assert abs(report.av_offset_ms) <= 1
    assert report.repeated == 0
    assert live.released == live.given


@pytest.mark.parametrize("patient", [True, False])
def test_a_source_that_can_wait_begins_when_the_processes_of_targets_have_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    loaded: list[bool] = []
    monkeypatch.setattr(LiveTarget, "is_loaded", property(lambda _self: bool(loaded)))
    monkeypatch.setattr(playout, "_LOADING", 1000.0)
    told, tells = multiprocessing.Pipe(duplex=False)
    target = parse_target(str(tmp_path / "out.mkv"))
    stage = Playout(PlayoutSettings(targets=(target,), sound=None, ready=tells, patient=patient))
    stage.open(Format((PlaneSpec((SIZE[1] * 3 // 2, SIZE[0])),), about=INFO))
    try:
        assert told.poll(0.5 if patient else 60) is not patient
        loaded.append(True)
        assert told.poll(60)
    finally:
        stage.close()


def test_while_nothing_comes_the_last_picture_stays_and_there_is_silence(rig, tmp_path: Path) -> None:
    live = rig()
    live.play(range(1, 26), level=80)
    rest(live)
    silent = live.playout.report().silence_seconds - live.before.silence_seconds
    assert silent > 0.5
    live.zero = round(live.playout.report().seconds * TICKS)
    live.play(range(10, 34), level=160)
    report = live.finish()
    assert report.repeated > 20
    for kind in ("video", "audio"):
        assert (np.diff([t for t, _ in packets(tmp_path / "out.mkv", kind)]) > 0).all()
    seen = levels(tmp_path / "out.mkv")
    before, after = (np.abs(np.array(seen[1:]) - level) < 4 for level in (80, 160))
    assert before.sum() > 20, "some may have come too late, but the last was repeated"
    assert after[-1]
    assert not after[: before.nonzero()[0][-1]].any()


def test_a_slate_stands_in_if_there_is_one(rig, tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "slate.png"), np.full((30, 40, 3), 255, np.uint8))
    live = rig(slate=tmp_path / "slate.png")
    live.play(range(1, 20), level=80)
    rest(live)
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        last = list(container.decode(video=0))[-1].to_ndarray()[: SIZE[1]]
    assert last[SIZE[1] // 2, SIZE[0] // 2] > 220


def test_pictures_that_come_later_than_what_stood_in_for_them_are_left_out_until_they_catch_up(
    rig, tmp_path: Path
) -> None:
    live = rig()
    live.play(range(1, 26), level=80)
    rest(live)
    ahead = round(live.playout.report().seconds * TICKS) - live.zero
    live.play(range(26, ahead // STEP), level=160)  # all behind what stood in for them
    live.play(range(ahead // STEP, ahead // STEP + 60), level=160)
    report = live.finish()
    assert report.past > 10
    assert (np.diff([t for t, _ in packets(tmp_path / "out.mkv", "video")]) > 0).all()
    seen = levels(tmp_path / "out.mkv")
    assert abs(seen[-1] - 160) < 4


def test_two_pictures_never_share_a_millisecond(rig, tmp_path: Path) -> None:
    made = rig(hold=60.0)  # or a machine that is busy would have pictures repeated
    made.zero += -made.zero % (TICKS // 1000)
    made.play(range(1, 6))
    made.zero += TICKS // 3000
    made.show(5)
    made.play(range(6, 10))
    report = made.finish()
    assert report.past == 1
    assert (np.diff([t for t, _ in packets(tmp_path / "out.mkv", "video")]) > 0).all()


def test_sound_is_taken_in_while_encoding_takes_all_the_time(rig) -> None:
    made = rig()
    sending = threading.Thread(target=lambda: [made.say(number) for number in range(8 * RATE)], daemon=True)
    with made.playout._lock:
        sending.start()
        sending.join(60)
        assert not sending.is_alive()
    made.finish()


def test_without_any_sound_there_is_silence_beside_the_pictures(rig, tmp_path: Path) -> None:
    live = rig()
    live.play(range(1, 40), sound=False)
    live.finish()
    video, audio = packets(tmp_path / "out.mkv", "video"), packets(tmp_path / "out.mkv", "audio")
    assert abs(video[-1][0] - audio[-1][0]) < 0.1
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert max(np.abs(f.to_ndarray()).max() for f in container.decode(audio=0)) == 0


def test_without_a_sound_track_pictures_do_not_wait_for_one(rig, tmp_path: Path) -> None:
    live = rig(sound=None)
    live.play(range(1, 20), sound=False)
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [s.type for s in container.streams] == ["video"]


def test_sound_that_is_early_waits_for_its_pictures(rig, tmp_path: Path) -> None:
    live = rig(hold=600.0)
    for number in range(1, 40):
        live.say(number)
    live.play(range(1, 40), sound=False)
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        seen = {"video": 0.0, "audio": 0.0}
        for packet in container.demux():
            if packet.pts is not None:
                seen[packet.stream.type] = float(packet.pts * packet.time_base)
                assert not seen["video"] or seen["audio"] - seen["video"] < 0.2


def test_a_picture_is_sent_before_the_sound_of_its_time_and_sound_before_the_next_picture(
    rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[Tag] = []
    monkeypatch.setattr(LiveTarget, "offer", lambda _target, _header, tags: offered.extend(tags))
    monkeypatch.setattr(playout, "_LONG_FAREWELL", 0.1)  # a target that is offered nothing has nothing to send
    live = rig(connects=False, hold=600.0)
    for number in range(1, 4):
        live.show(number)
        assert (offered[-1].kind, offered[-1].time) == ("video", (live.zero + number * STEP) // (TICKS // 1000))
    pictures = len(offered)
    assert not [tag for tag in offered if tag.kind == "audio" and not tag.config]
    for number in range(4):
        live.say(number)
    eventually(lambda: len(offered) >= pictures + 5, 60)
    assert {tag.kind for tag in offered[pictures:]} == {"audio"}
    assert offered[pictures + 4].time <= offered[pictures - 1].time
    live.finish()


def test_a_recording_of_late_sound_has_both_in_order(rig, tmp_path: Path) -> None:
    live = rig(hold=600.0)
    for number in range(1, 51):
        live.show(number)
        if number > 10:
            live.say(number - 10)
    for number in range(41, 51):
        live.say(number)
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [p.dts * p.time_base for p in container.demux() if p.dts is not None]
        assert all(b - a >= -Fraction(1, 1000) for a, b in pairwise(times)), "but for rounding"
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 1.9 * 48000
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert len(list(container.decode(video=0))) >= 50


@pytest.mark.parametrize("is_read", [False, True])
def test_sound_that_has_come_by_the_end_is_sent_though_its_thread_is_late(rig, tmp_path: Path, is_read: bool) -> None:
    live = rig(hold=600.0)
    for number in range(1, 8):
        live.show(number)
    with live.playout._lock:  # as while pictures are encoded
        if not is_read:
            live.playout._ended.set()
            live.playout._threads[1].join()
        for number in range(1, 8):
            live.say(number)
        if is_read:
            eventually(lambda: len(live.playout._pending_sound) == 7, 60)
            live.playout._ended.set()
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        loud = sum(int((np.abs(frame.to_ndarray()[0]) > 0.01).sum()) for frame in container.decode(audio=0))
    assert loud > 48000 // RATE * 6


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_other_codecs_go_the_same_way(rig, tmp_path: Path, codec: str) -> None:
    live = rig(codec=codec)
    live.play(range(1, 30))
    live.finish()
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].codec_context.name in {"hevc": ("hevc",), "av1": ("libdav1d", "av1")}[codec]
        assert len(list(container.decode(video=0))) >= 25
