from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import MakeClip, luma_planes, packet_bytes, video_times

from sr4k import Job, Summary, load_preset
from sr4k.common.printable import clock
from sr4k.errors import InputError, OptionError
from sr4k.jobs.parse import parse_part
from sr4k.media.options import TimeSpan

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest").updated("encode", crf=0)


def upscale(source: Path, target: Path, part: TimeSpan | None = None) -> Summary:
    return Job(source, target, preset=PRESET, part=part).run()


@pytest.mark.parametrize(
    ("text", "start", "seconds"),
    [
        ("10s@00:05:00", 300, 10),
        ("10", 0, 10),
        ("0.5s@1:02:03.25", Fraction("3723.25"), Fraction(1, 2)),
        ("1:30@20s", 20, 90),
    ],
)
def test_a_part_is_a_length_and_where_it_begins(text: str, start: Fraction, seconds: Fraction) -> None:
    assert parse_part(text) == TimeSpan(Fraction(start), Fraction(seconds))


@pytest.mark.parametrize("text", ["", "@5", "ten", "-3s", "0s@10", "5s@", "1:2:3:4"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(OptionError, match="such as 10s@00:05:00"):
        parse_part(text)


def test_seconds_are_shown_as_on_a_clock() -> None:
    assert [clock(Fraction(3723) + Fraction(1, 4)), clock(59.5)] == ["1:02:03.25", "0:00:59.50"]


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_part_has_the_pictures_of_the_whole_from_time_zero_on(
    codec: str, suffix: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    source = make_clip(
        f"a.{suffix}",
        frames=60,
        codec=codec,
        time_base=Fraction(1, 25),
        context={"gop_size": 12, "max_b_frames": 2},
        options={"b": "1M"},
    )
    upscale(source, tmp_path / "all.mkv")
    upscale(source, tmp_path / "part.mkv", TimeSpan(Fraction(1), Fraction("0.48")))
    times = video_times(source)
    shown = [number for number, at in enumerate(times) if 1 <= at - times[0] < Fraction("1.48")]
    assert len(shown) == 12
    whole = luma_planes(tmp_path / "all.mkv")
    assert np.array_equal(luma_planes(tmp_path / "part.mkv"), [whole[number] for number in shown])
    exact = [times[number] - times[shown[0]] for number in shown]
    assert video_times(tmp_path / "part.mkv") == pytest.approx([round(at * 1000) / 1000 for at in exact], abs=0.0011)


@pytest.mark.slow(seconds=1)
def test_sound_stays_with_its_pictures(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("a.mp4", frames=60, rate=25, chapters=True)
    upscale(source, tmp_path / "part.mp4", TimeSpan(Fraction(1), Fraction(1)))
    there, here = packet_bytes(source, "audio"), packet_bytes(tmp_path / "part.mp4", "audio")
    wanted = [(at - 1, data) for at, data in there if 1 <= at < 2]
    assert [data for _, data in here] == [data for _, data in wanted]
    assert max(abs(a - b) for (a, _), (b, _) in zip(here, wanted, strict=True)) <= Fraction(1, 48000)
    with av.open(str(tmp_path / "part.mp4")) as result:
        assert not result.chapters()


def test_a_start_offset_does_not_move_the_part(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip(
        "a.mkv", frames=30, pts=[5000 + 40 * n for n in range(30)], time_base=Fraction(1, 1000), audio=False
    )
    summary = upscale(source, tmp_path / "part.mkv", TimeSpan(Fraction("0.4"), Fraction("0.2")))
    assert summary.frames == 5
    assert not summary.damaged
    assert video_times(tmp_path / "part.mkv")[0] == 0


def test_a_part_after_the_end_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ends before that part"):
        upscale(make_clip("a.mp4"), tmp_path / "part.mp4", TimeSpan(Fraction(100), Fraction(1)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]
