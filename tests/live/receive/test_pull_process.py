"""Pullers of patterns and files: their output, and the reasons with which their processes end."""

import errno
import os
import signal
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip, luma_planes
from interlaced import combing, write_interlaced
from needed import program
from pulling import Pulled, assert_all_came, assert_in_real_time, assert_sound_has_no_gaps

from rig.fair_time import Stopwatch
from sr4k.live.receive import puller
from sr4k.live.receive.link import SLOTS, Ended, Opened
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.media.video import VideoInfo
from sr4k.models.geometry import padded_chroma, padded_luma

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("silent_children")]


def test_a_pattern_runs_in_real_time_with_sound_and_ends_when_it_should() -> None:
    with Pulled("pattern://160x90@25?seconds=2") as pulled:
        assert pulled.end(10) == Ended("the pattern ended", final=True)
    drawn = pulled.tally.pictures
    assert 50 / pulled.watch.slowdown - 5 <= drawn <= 50, "a machine that pauses skips pictures"
    assert_all_came(pulled, drawn)
    assert_in_real_time(pulled, 25)
    assert_sound_has_no_gaps(pulled)
    assert sum(len(samples) for _, samples in pulled.sound) == 96_000
    assert max(int(np.abs(samples).max()) for _, samples in pulled.sound) > 1000


def test_a_process_that_can_not_be_started_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_wishes: Any) -> Any:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(puller, "start_child", refused)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    with pytest.raises(OSError, match="no more processes"):
        Pulled("pattern://160x90@25")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_planes_are_padded_as_the_engine_wants_them() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(1)
    assert pulled.form is not None
    assert [spec.shape for spec in pulled.form.planes] == [padded_luma(90, 160), (2, *padded_chroma(90, 160))]
    assert [part.shape for part in pulled.last] == [(90, 160), (45, 80), (45, 80)]


def test_a_file_is_played_at_its_own_pace_and_its_end_is_final(make_clip: MakeClip) -> None:
    clip = make_clip("a.mp4", frames=50, size=(160, 90))
    with Pulled(clip) as pulled:
        assert pulled.end(10) == Ended("the stream ended", final=True)
    assert_all_came(pulled, 50)
    assert pulled.tally.pictures == 50
    assert_in_real_time(pulled, 25)
    assert_sound_has_no_gaps(pulled)
    assert all(info.time_base == TIME_BASE for _, info, _ in pulled.frames)
    assert all(info.born <= at for at, info, _ in pulled.frames)


@pytest.mark.slow(seconds=2)
def test_pictures_are_turned_as_they_are_to_be_shown(make_clip: MakeClip) -> None:
    by_90, shape = [0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], Fraction(4, 3)
    clip = make_clip("a.mp4", frames=5, size=(160, 90), display_matrix=by_90, sample_aspect_ratio=shape)
    with Pulled(clip) as pulled:
        assert pulled.end(10).final
    assert pulled.form is not None
    about = pulled.form.about
    assert isinstance(about, VideoInfo)
    assert (about.width, about.height, about.sample_aspect_ratio) == (90, 160, 1 / shape)
    assert about.display_matrix is None
    assert np.array_equal(pulled.last[0], np.rot90(luma_planes(clip)[-1], -1))


@pytest.mark.slow(seconds=2)
def test_interlaced_pictures_are_deinterlaced_before_they_are_turned(tmp_path: Path) -> None:
    clip = write_interlaced(tmp_path / "a.mp4", codec="libx264", frames=12)
    turned = tmp_path / "turned.mp4"
    with av.open(str(clip)) as source, av.open(str(turned), "w") as target:
        track = target.add_stream_from_template(source.streams.video[0])
        track.set_display_matrix([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = track
                target.mux(packet)
    with Pulled(clip) as plain:
        assert plain.end(10).final
    with Pulled(turned) as pulled:
        assert pulled.end(10).final
    assert pulled.tally.interlaced == 12
    assert np.array_equal(pulled.last[0], np.rot90(plain.last[0], -1))


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("mpeg2video", "ts")])
def test_interlaced_pictures_are_deinterlaced(codec: str, suffix: str, tmp_path: Path) -> None:
    clip = write_interlaced(tmp_path / f"a.{suffix}", codec=codec, frames=12)
    with Pulled(clip) as pulled:
        assert pulled.end(10).final
    assert pulled.tally.interlaced == pulled.tally.pictures == len(pulled.frames) == 12
    assert np.diff([info.pts for _, info, _ in pulled.frames]) == pytest.approx(TICKS / 25, abs=1)
    assert combing(pulled.last[0]) < 0.5 * combing(luma_planes(clip)[-1])


def test_an_empty_packet_shows_the_last_picture_again_and_is_no_damage(make_clip: MakeClip, tmp_path: Path) -> None:
    """Theora repeats a picture by an empty packet."""
    clean, again = tmp_path / "in.ogv", tmp_path / "again.ogv"
    theora = ["-c:v", "libtheora", "-frames:v", "12", "-an", str(clean)]
    subprocess.run(
        [program("ffmpeg"), "-loglevel", "error", "-i", str(make_clip("in.mp4", frames=12)), *theora], check=True
    )
    with av.open(str(clean)) as source, av.open(str(again), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            made = av.Packet(b"" if number in (4, 7, 8, 11) else bytes(packet))
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, copy
            target.mux(made)
    with Pulled(again) as pulled:
        assert pulled.end(10).final
    assert (len(pulled.frames), pulled.tally.damaged) == (8, 0)


def test_a_file_without_sound_is_a_source_as_well(make_clip: MakeClip) -> None:
    with Pulled(make_clip("a.mkv", frames=5, audio=False)) as pulled:
        assert pulled.end(10).final
    assert len(pulled.frames) == 5
    assert pulled.sound == []


def test_the_form_of_the_pictures_has_the_quality_of_the_first(make_clip: MakeClip) -> None:
    with Pulled(make_clip("a.mkv", frames=5, audio=False, options={"qp": "35"})) as pulled:
        pulled.pictures(1)
    assert pulled.form is not None
    assert pulled.form.about.quality == pulled.frames[0][1].quality > 25


def test_a_path_is_a_path_whatever_its_name(make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip("a.mp4", frames=3)
    folder = clip.parent / "odd:name"
    folder.mkdir()
    clip.rename(folder / "concat:a|b.mp4")
    monkeypatch.chdir(clip.parent)
    with Pulled("./odd:name/concat:a|b.mp4") as pulled:
        pulled.end(10)
    assert len(pulled.frames) == 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.mp4", None, "No such file or directory"),
        ("text.mp4", b"hello " * 1000, "the data is not a readable stream"),
        ("empty.mp4", b"", "nothing came|not a readable stream"),
    ],
)
def test_a_file_that_is_none_is_the_end(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with Pulled(tmp_path / name) as pulled:
        ended = pulled.end(10)
    assert ended.final
    assert any(words in ended.reason for words in reason.split("|"))


def test_later_connections_fit_into_the_picture_of_the_first(make_clip: MakeClip) -> None:
    with Pulled(make_clip("a.mp4", frames=3, size=(160, 90))) as first:
        first.end(10)
    assert first.form is not None
    with Pulled(make_clip("b.mp4", frames=3, size=(90, 90)), like=first.form.about) as later:
        later.end(10)
    assert later.form == first.form
    assert (later.last[0][:, :30] == 16).all()
    assert len(later.frames) == 3


def test_a_picture_without_room_is_dropped_and_counted_and_sound_goes_on() -> None:
    with Pulled("pattern://160x90@25?seconds=2") as pulled:
        held, pieces = [], 0
        while pulled.ended is None and pulled.watch.fair < 10:
            event = pulled.puller.receive(0.1)
            if type(event).__name__ == "Frame":
                held.append(event)
            elif type(event).__name__ == "Sound":
                pieces += 1
            elif isinstance(event, Opened):
                pulled.puller.go_on()
            elif isinstance(event, Ended):
                pulled.ended = event
        assert len(held) == SLOTS
        assert pieces >= 49
        assert pulled.tally.full == pulled.tally.pictures - SLOTS


def test_the_death_of_the_process_is_told_at_once() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(3)
        killed = Stopwatch()
        os.kill(pulled.puller._child.pid, signal.SIGKILL)
        assert pulled.end(5).reason == "its process was killed"
        assert killed.fair < 0.5


def test_a_process_that_hangs_is_taken_for_gone_after_4_5_seconds() -> None:
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(3)
        frozen = Stopwatch()
        os.kill(pulled.puller._child.pid, signal.SIGSTOP)
        assert pulled.end(8).reason == "nothing came for 4.5 s"
        assert frozen.wall > 4.4
        assert frozen.fair < 5.5


def test_a_killed_puller_leaves_no_process_and_no_open_file() -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count

    before = open_files()
    with Pulled("pattern://160x90@25") as pulled:
        pulled.pictures(1)
        process = pulled.puller._child.pid
    assert open_files() == before
    assert not Path(f"/proc/{process}").exists()
