"""A video is divided as it is encoded in segments: each picture belongs to one stretch."""

import math
from fractions import Fraction
from pathlib import Path

import av
from clips import MakeClip

from sr4k.media.options import ReadSettings
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reading.stretches import Stretch, stretches


def times(path: Path) -> tuple[list[int], Fraction]:
    with VideoReader(ReadSettings(path=path)) as reader:
        return [info.pts for _, info in reader.pictures()], reader.info.time_base


def within(stretch: Stretch, pts: list[int]) -> list[int]:
    low, high = stretch.begin, stretch.until
    return [at for at in pts if (low is None or at >= low) and (high is None or at < high)]


def test_each_picture_belongs_to_the_stretch_of_its_second(make_clip: MakeClip) -> None:
    for name, options in {"a.mkv": {}, "b.mp4": {"bf": "3", "g": "10"}, "c.ts": {"g": "30"}}.items():
        clip = make_clip(name, frames=66, options={"crf": "30", **options})
        pts, unit = times(clip)
        found = stretches(ReadSettings(path=clip), Fraction(1))
        parts = [within(stretch, pts) for stretch in found]
        assert [at for part in parts for at in part] == pts
        for part, stretch in zip(parts, found, strict=True):
            assert len({math.floor(at * unit) for at in part}) == 1
            assert len(part) == stretch.frames and part[0] == stretch.first
        assert [stretch.after for stretch in found] == [None, *(part[-1] for part in parts[:-1])]


def test_what_is_done_is_left_out(make_clip: MakeClip) -> None:
    clip = make_clip("a.mkv", frames=66)
    pts, _ = times(clip)
    found = stretches(ReadSettings(path=clip), Fraction(1), done=pts[30])
    assert [at for stretch in found for at in within(stretch, pts)] == pts[31:]
    assert found[0].after == pts[30] and found[0].frames == 19
    assert stretches(ReadSettings(path=clip), Fraction(1), done=pts[-1]) == ()


def test_a_gap_needs_no_stretch_of_its_own(make_clip: MakeClip) -> None:
    step = 512
    clip = make_clip("a.mkv", pts=[n * step for n in (*range(30), *range(130, 150))])
    pts, _ = times(clip)
    found = stretches(ReadSettings(path=clip), Fraction(1))
    assert [len(within(stretch, pts)) for stretch in found] == [25, 5, 20]


def test_what_an_edit_list_hides_is_no_stretch_of_its_own(make_clip: MakeClip, tmp_path: Path) -> None:
    clip, edited = make_clip("a.mp4", frames=66, options={"g": "66"}), tmp_path / "edited.mp4"
    with av.open(str(clip)) as given, av.open(str(edited), "w") as made:
        copied = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                moved = round(Fraction(6, 5) / packet.time_base)  # times before 0 are hidden by an edit list
                packet.pts, packet.dts = packet.pts - moved, packet.dts - moved
                packet.stream = copied
                made.mux(packet)
    pts, _ = times(edited)
    found = stretches(ReadSettings(path=edited), Fraction(1))
    parts = [within(stretch, pts) for stretch in found]
    assert [len(part) for part in parts] == [stretch.frames for stretch in found] == [25, 11]
    assert found[0].after is None and found[0].start >= 0
