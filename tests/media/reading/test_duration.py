"""Duration of a video by its header: only missing frames count as missing, and the last one is not cut short."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from clips import MakeClip, picture, video_times, write_clip
from joined import moved

from sr4k import Job, Summary, load_preset
from sr4k.errors import OutputError
from sr4k.media.options import ReadSettings
from sr4k.media.reading.reader import VideoReader

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
SLOW = [0, 100, 400, 900, 1600]
"""Times of the pictures of a video with a slow, uneven rate, in milliseconds."""
LAST = 3
"""Duration of its last picture, in seconds."""

CODECS = {".wmv": "wmv2", ".webm": "libvpx", ".gif": "gif"}


def held(path: Path) -> Path:
    """Write a slow video whose last picture has a long duration."""
    codec = CODECS.get(path.suffix, "libx264")
    with av.open(str(path), "w") as target:
        stream: Any = target.add_stream(codec, rate=10, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8" if codec == "gif" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        ends = dict(zip(SLOW, [*SLOW[1:], SLOW[-1] + 1000 * LAST], strict=True))
        packets = []
        for at in SLOW:
            frame = av.VideoFrame.from_ndarray(picture(at // 100, 64, 48), format="rgb24").reformat(
                format=stream.pix_fmt
            )
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode(None)]:
            begin = round(packet.pts * packet.time_base * 1000)
            packet.duration = round(Fraction(ends[begin] - begin, 1000) / packet.time_base)
            target.mux(packet)
    return path


def seconds(path: Path) -> float:
    with av.open(str(path)) as result:
        return float(Fraction(result.duration or 0, av.time_base))


def upscale(source: Path, target: Path, **job: Any) -> Summary:
    return Job(source, target, preset=PRESET.updated("encode", preset="ultrafast"), **job).run()


def missing(path: Path) -> int:
    with VideoReader(ReadSettings(path=path)) as reader:
        assert list(reader.pictures())
        return reader.report().losses.missing


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.flv"])
@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".mov", ".mkv", ".webm", ".flv", ".wmv"])
def test_the_last_picture_is_shown_as_long_as_it_was(suffix: str, target: str, tmp_path: Path) -> None:
    source = held(tmp_path / f"in{suffix}")
    assert seconds(source) == pytest.approx(4.6, abs=0.01)
    summary = upscale(source, tmp_path / target)
    assert not summary.damaged
    assert seconds(tmp_path / target) == pytest.approx(4.6, abs=0.01)
    assert [float(at) for at in video_times(tmp_path / target)] == pytest.approx([at / 1000 for at in SLOW], abs=0.001)


@pytest.mark.parametrize("suffix", [".mkv", ".flv"])
def test_the_end_of_a_truncated_file_is_missing(suffix: str, tmp_path: Path) -> None:
    source = held(tmp_path / f"in{suffix}")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 9 // 10])
    assert missing(source) > 0


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".wmv", ".nut", ".mp4", ".flv", ".ts"])
def test_a_late_start_is_no_damage(suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
    codec = {"codec": CODECS.get(suffix, "libx264"), "options": {"b": "1M"}, "audio": False} if suffix in CODECS else {}
    clip = make_clip(f"a{suffix}", frames=25, **codec)
    source = moved(tmp_path / f"in{suffix}", clip, 5)
    summary = upscale(source, tmp_path / "out.mkv", strict=True)
    assert not summary.damaged
    assert summary.source.expected_seconds == pytest.approx(1, abs=0.15)
    again = upscale(tmp_path / "out.mkv", tmp_path / "again.mp4", strict=True)
    assert (summary.frames, again.frames, again.damaged) == (25, 25, False)
    assert float(video_times(tmp_path / "again.mp4")[0]) == pytest.approx(5, abs=0.03)


@pytest.mark.parametrize("suffix", [".wmv", ".flv", ".mkv", ".mp4", ".nut"])
def test_a_picture_every_five_seconds_is_no_damage(suffix: str, tmp_path: Path) -> None:
    times = [5000 * n for n in range(4)]
    codec = {"codec": "wmv2", "options": {}} if suffix == ".wmv" else {}
    source = write_clip(tmp_path / f"in{suffix}", pts=times, time_base=Fraction(1, 1000), audio=False, **codec)
    summary = upscale(source, tmp_path / "out.mp4", strict=True)
    assert (summary.frames, summary.damaged) == (4, False)
    assert [float(at) for at in video_times(tmp_path / "out.mp4")] == pytest.approx([0, 5, 10, 15], abs=0.001)


@pytest.mark.parametrize("bframes", ["0", "3"])
@pytest.mark.parametrize("suffix", [".flv", ".nut"])
def test_containers_without_times_below_0_begin_at_0(
    suffix: str, bframes: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip, target = make_clip("a.mp4", frames=25), tmp_path / f"out{suffix}"
    preset = PRESET.updated("encode", options={"bf": bframes}, preset="veryfast")
    assert not Job(clip, target, preset=preset).run().damaged
    shown = video_times(target)
    assert 0 <= shown[0] < Fraction(1, 4)
    assert float(shown[-1] - shown[0]) == pytest.approx(24 / 25, abs=0.002)
    with av.open(str(target)) as result:
        sound = next(packet.pts * packet.time_base for packet in result.demux(audio=0) if packet.pts is not None)
    assert sound - shown[0] == pytest.approx(0, abs=0.05)


@pytest.mark.slow(seconds=1)
def test_a_gap_that_mp4_can_not_hold_is_reported_before_the_end(tmp_path: Path) -> None:
    hours = 8 * 3600 * 90_000
    source = write_clip(
        tmp_path / "in.nut", pts=[0, 3600, hours, hours + 3600], time_base=Fraction(1, 90_000), audio=False
    )
    with pytest.raises(
        OutputError, match=r"no picture for 8\.0 hours from 0\.0 h on, which mp4 can't hold .* use \.mkv"
    ):
        upscale(source, tmp_path / "out.mp4")
    assert upscale(source, tmp_path / "out.mkv").frames == 4
    assert float(video_times(tmp_path / "out.mkv")[-1]) == pytest.approx(28800.04, abs=0.001)


def test_a_leap_of_days_is_closed_in_any_container(tmp_path: Path) -> None:
    days = 40 * 3600 * 1000
    source = write_clip(tmp_path / "in.mkv", pts=[0, 40, 80, days, days + 40], time_base=Fraction(1, 1000), audio=False)
    summary = upscale(source, tmp_path / "out.mp4")
    assert not summary.damaged
    assert [float(at) for at in video_times(tmp_path / "out.mp4")] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert seconds(tmp_path / "out.mp4") == pytest.approx(0.2, abs=0.01)


def test_a_last_picture_is_not_held_for_those_that_are_lost(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("a.mp4", frames=50, options={"preset": "ultrafast", "g": "10", "bf": "0"}, audio=False)
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        places = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    for at, size in places[30:]:
        data[at + 4 : at + size] = bytes(size - 4)
    (tmp_path / "bad.mp4").write_bytes(data)
    summary = upscale(tmp_path / "bad.mp4", tmp_path / "out.mp4")
    assert summary.damaged
    assert seconds(tmp_path / "out.mp4") == pytest.approx(summary.frames / 25, abs=0.01)


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_jitter_of_timestamps_does_not_make_the_clock_the_frame_rate(suffix: str, make_clip: MakeClip) -> None:
    pts = [3600 * number + 7 * number * number % 1800 for number in range(60)]
    clip = make_clip(f"a{suffix}", pts=pts, rate=90_000, time_base=Fraction(1, 90_000), audio=False)
    with VideoReader(ReadSettings(path=clip)) as reader:
        assert reader.info.rate == 25


@pytest.mark.parametrize("rate", [480, 1000])
def test_a_high_speed_camera_keeps_its_frame_rate(rate: int, make_clip: MakeClip) -> None:
    clip = make_clip("a.mp4", frames=60, rate=rate, time_base=Fraction(1, rate), audio=False)
    with VideoReader(ReadSettings(path=clip)) as reader:
        assert reader.info.rate == rate


def test_a_clock_is_not_taken_for_a_rate(make_clip: MakeClip) -> None:
    clip = make_clip("a.mkv", pts=[0, 33, 67, 100, 133], rate=1000, time_base=Fraction(1, 1000), audio=False)
    with VideoReader(ReadSettings(path=clip)) as reader:
        pictures = [info for _, info in reader.pictures()]
        told = reader.report()
    assert (told.source.expected_frames, told.source.frames_counted) == (None, False)
    assert pictures[-1].duration * pictures[-1].time_base == pytest.approx(0.033, abs=0.001)
