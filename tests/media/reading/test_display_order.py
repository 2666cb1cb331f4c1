"""Pictures whose container stores only decoding times come out evenly spaced, in display order."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from clips import MakeClip, luma_planes, video_times, write_clip

from sr4k import Job, load_preset
from sr4k.errors import InputError
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.reader import VideoReader

PYRAMID = {"preset": "medium", "bf": "3", "g": "12", "b_strategy": "0"}


def by_decoding(clip: Path, path: Path) -> Path:
    """Copy the packets with their dts as pts, as faulty muxers do."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        stream.time_base = Fraction(1, 25)  # AVI takes it for the frame rate
        for number, packet in enumerate(packets):
            packet.dts, packet.pts, packet.duration, packet.time_base = number, number, 1, Fraction(1, 25)
            packet.stream = stream
            target.mux(packet)
    return path


def decoded(path: Path, after: int | None = None, **settings: Any) -> tuple[list[Fraction], int]:
    with VideoReader(ReadSettings(path=path, **settings)) as reader:
        if after is not None:
            reader.resume_after(after)
        times = [info.pts * info.time_base for _, info in reader.pictures()]
        return times, reader.report().losses.retimed


@pytest.mark.parametrize(
    ("codec", "suffix"), [("libx264", "avi"), ("libx264", "mp4"), ("libx264", "mkv"), ("libx265", "mp4")]
)
def test_pictures_that_look_ahead_come_evenly(codec: str, suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
    options = PYRAMID if codec == "libx264" else {"preset": "ultrafast", "x265-params": "bframes=3:log-level=none"}
    clip = make_clip("a.ts", frames=40, codec=codec, options=options, audio=False)
    found, _ = decoded(by_decoding(clip, tmp_path / f"in.{suffix}"))
    assert len(found) == 40
    assert all(after - before == pytest.approx(0.04, abs=0.0011) for before, after in pairwise(found))


@pytest.mark.slow(seconds=1)
def test_they_go_on_evenly_after_an_interruption(make_clip: MakeClip, tmp_path: Path) -> None:
    source = by_decoding(make_clip("a.ts", frames=40, options=PYRAMID, audio=False), tmp_path / "in.avi")
    with VideoReader(ReadSettings(path=source)) as reader:
        tick = reader.info.time_base
    whole, _ = decoded(source)
    for done in (1, 12, 20, 39):
        assert decoded(source, after=int(whole[done - 1] / tick))[0] == whole[done:], done


def test_a_part_of_it_has_those_of_its_time(make_clip: MakeClip, tmp_path: Path) -> None:
    source = by_decoding(make_clip("a.ts", frames=40, options=PYRAMID, audio=False), tmp_path / "in.avi")
    whole, _ = decoded(source)
    for start in (Fraction(0), Fraction(1, 2), Fraction(3, 2)):
        wanted = [at for at in whole if start <= at < start + Fraction(1, 2)]
        found, _ = decoded(source, part=TimeSpan(start, Fraction(1, 2)))
        assert found == [at - wanted[0] for at in wanted]
    with pytest.raises(InputError, match="ends before that part"):
        decoded(source, part=TimeSpan(Fraction(2), Fraction(1)))


def test_the_pictures_are_the_same_ones(make_clip: MakeClip, tmp_path: Path) -> None:
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    preset = preset.updated("encode", crf=0, preset="ultrafast")
    clip = make_clip("a.ts", frames=20, options=PYRAMID, audio=False)
    made = []
    for source in (clip, by_decoding(clip, tmp_path / "in.avi")):
        Job(source, tmp_path / f"{source.stem}.mkv", preset=preset).run()
        made.append(luma_planes(tmp_path / f"{source.stem}.mkv"))
    assert all((a == b).all() for a, b in zip(*made, strict=True))


def test_right_times_are_kept(tmp_path: Path) -> None:
    for number, options in enumerate((PYRAMID, {"preset": "ultrafast"}, {"preset": "medium", "bf": "0"})):
        irregular = [0, 40, 60, 200, 240, 260, 500, 510, 600, 700, 710, 720]
        clip = write_clip(
            tmp_path / f"{number}.mkv", pts=irregular, time_base=Fraction(1, 1000), options=options, audio=False
        )
        assert decoded(clip) == (video_times(clip), 0)
