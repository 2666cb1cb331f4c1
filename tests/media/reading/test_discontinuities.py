"""Files whose clock starts again, jumps or wraps: no picture is lost, audio stays in sync, and time is continuous."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from clips import write_clip
from joined import joined, moved, times

from sr4k import Job, Summary, load_preset
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.discontinuities import OneClock
from sr4k.media.reading.reader import VideoReader

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
FRAME = Fraction(1, 25)
WRAP = 2**33 / 90_000

Clock = tuple[dict[str, list[Fraction]], list[tuple[Fraction, Fraction]]]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of 25 pictures, with audio."""
    folder = tmp_path_factory.mktemp("part")
    return write_clip(folder / "part.ts", frames=25, options={"preset": "ultrafast", "bf": "2", "g": "12"})


def on_one_clock(path: Path) -> Clock:
    """Return the dts by type of stream, in the order of the file, and the jumps."""
    found: dict[str, list[Fraction]] = {"video": [], "audio": []}
    with av.open(str(path)) as container:
        clock = OneClock(container, container.streams.video[0])
        for packet in clock.packets():
            if packet.dts is not None:
                found[packet.stream.type].append(packet.dts * Fraction(packet.time_base))
    return found, clock.jumps


def decoded(path: Path, after: int | None = None) -> list[Fraction]:
    with VideoReader(ReadSettings(path=path)) as reader:
        if after is not None:
            reader.resume_after(after)
        return [info.pts * info.time_base for _, info in reader.pictures()]


def upscale(source: Path, target: Path, **job: object) -> Summary:
    return Job(source, target, preset=PRESET.updated("encode", preset="ultrafast"), **job).run()  # type: ignore[arg-type]


@pytest.mark.parametrize("offsets", [(0, 0), (0, 0, 0), (5000, 0), (0, 5000), (0, 40_000, 0)])
def test_what_follows_a_jump_follows_what_was_before(offsets: tuple[int, ...], part: Path, tmp_path: Path) -> None:
    clips = [moved(tmp_path / f"{n}.ts", part, offset) for n, offset in enumerate(offsets)]
    source = joined(tmp_path / "in.ts", *clips)
    found, jumps = on_one_clock(source)
    assert len(jumps) == len(offsets) - 1
    for kind in found:
        assert len(found[kind]) == len(times(clips[0], kind)) * len(offsets)
        gaps = [b - a for a, b in pairwise(found[kind])]
        assert min(gaps) > 0, kind
        assert max(gaps) < 3 * FRAME, kind
    _go_on(decoded(source), 25 * len(offsets))


@pytest.mark.parametrize("suffix", ["mpg", "vob"])
def test_program_streams_are_joined_as_well(suffix: str, tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "a.mpg", frames=25, codec="mpeg2video", options={"b": "1M"}, time_base=FRAME, audio=False
    )
    _go_on(decoded(joined(tmp_path / f"in.{suffix}", clip, clip, clip)), 75)


def _go_on(shown: list[Fraction], pictures: int) -> None:
    gaps = [b - a for a, b in pairwise(shown)]
    assert len(shown) == pictures
    assert FRAME - Fraction(1, 1000) <= min(gaps)
    assert max(gaps) < 2 * FRAME


@pytest.mark.slow(seconds=1)
def test_sound_and_pictures_are_moved_alike(part: Path, tmp_path: Path) -> None:
    source = joined(tmp_path / "in.ts", part, moved(tmp_path / "late.ts", part, 5000), part)
    summary = upscale(source, tmp_path / "out.mkv")
    assert not summary.damaged
    assert (summary.frames, summary.losses.retimed) == (75, 0)
    pictures, sound = (times(tmp_path / "out.mkv", kind) for kind in ("video", "audio"))
    apart = pictures[0] - sound[0]
    blocks = len(sound) // 3
    for n in (1, 2):  # the first packets of each third are as far apart as in the first
        assert pictures[25 * n] - sound[blocks * n] == pytest.approx(apart, abs=0.002)


def test_a_second_of_a_single_stream_is_enough(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "a.ts", frames=25, audio=False)
    source = joined(tmp_path / "in.ts", moved(tmp_path / "b.ts", silent, 5000), silent)
    upscale(source, tmp_path / "out.mp4")
    shown = times(tmp_path / "out.mp4", "video")
    assert len(shown) == 50
    assert shown[-1] - shown[0] == pytest.approx(49 / 25, abs=0.001)


@pytest.mark.parametrize("at", [WRAP - 3, WRAP - 1.9, WRAP - 0.5 - 1.4])
def test_a_counter_that_wraps_soon_hides_nothing(at: float, part: Path, tmp_path: Path) -> None:
    source = moved(tmp_path / "in.ts", part, at)
    summary = upscale(source, tmp_path / "out.mp4")
    shown = times(tmp_path / "out.mp4", "video")
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert sum(1 for _ in result.decode(video=0)) == 25
    assert not summary.damaged
    assert shown[0] >= 0
    assert shown[-1] - shown[0] == pytest.approx(24 / 25, abs=0.001)


def test_a_single_wrong_time_moves_nothing_else(part: Path, tmp_path: Path) -> None:
    wrong, number = tmp_path / "wrong.ts", 0
    with av.open(str(part)) as source, av.open(str(wrong), "w") as target:
        streams = {s.index: target.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            number += packet.stream.type == "video"
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    data = bytearray(wrong.read_bytes())
    _set_clock(data, which=10, by=3600 * 90_000)
    wrong.write_bytes(data)
    clean, found = decoded(part), decoded(wrong)
    assert len(found) == 25
    assert [float(at) for at in found] == pytest.approx([float(at) for at in clean], abs=0.081)
    assert min(b - a for a, b in pairwise(found)) > 0


def _set_clock(data: bytearray, *, which: int, by: int) -> None:
    """Shift dts and pts in the PES header of one picture."""
    at, seen = -1, 0
    while seen <= which:
        at = data.index(b"\x00\x00\x01\xe0", at + 1)
        seen += 1
    for field in (9, 14)[: 2 if data[at + 7] & 0x40 else 1]:
        five = data[at + field : at + field + 5]
        time = (five[0] >> 1 & 7) << 30 | five[1] << 22 | five[2] >> 1 << 15 | five[3] << 7 | five[4] >> 1
        time = (time + by) % 2**33
        five = bytes([five[0] & 0xF1 | time >> 30 << 1, time >> 22 & 255, time >> 14 & 254 | 1, time >> 7 & 255])
        data[at + field : at + field + 5] = five + bytes([time << 1 & 254 | 1])


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 2), Fraction("1.4"), Fraction(2)])
def test_a_part_counts_on_the_clock_that_goes_on(start: Fraction, part: Path, tmp_path: Path) -> None:
    source = joined(tmp_path / "in.ts", part, part, part)
    whole = decoded(source)
    with av.open(str(source)) as container:
        first = OneClock(container, container.streams.video[0]).start
    wanted = [at for at in whole if start <= at - first < start + Fraction(1, 2)]
    upscale(source, tmp_path / "out.mkv", part=TimeSpan(start, Fraction(1, 2)))
    shown = times(tmp_path / "out.mkv", "video")
    assert [float(at) for at in shown] == pytest.approx([float(at - wanted[0]) for at in wanted], abs=0.001)
    sound = times(tmp_path / "out.mkv", "audio")
    assert sound[-1] - sound[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow(seconds=1)
def test_a_job_resumed_after_a_jump_has_the_same_times(part: Path, tmp_path: Path) -> None:
    source = joined(tmp_path / "in.ts", part, moved(tmp_path / "late.ts", part, 5000), part)
    with VideoReader(ReadSettings(path=source)) as reader:
        tick = reader.info.time_base
    whole = decoded(source)
    for done in (1, 24, 25, 40, 60, 75):
        last = int(whole[done - 1] / tick)
        assert decoded(source, after=last) == whole[done:], done


def test_hls_goes_on_after_a_discontinuity(part: Path, tmp_path: Path) -> None:
    joined(tmp_path / "0.ts", part)
    moved(tmp_path / "1.ts", part, 7000)
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:1,", "0.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:1,", "1.ts"]
    (tmp_path / "in.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST\n"]))
    shown = decoded(tmp_path / "in.m3u8")
    assert len(shown) == 50
    assert shown[-1] - shown[0] == pytest.approx(49 / 25, abs=0.1)


@pytest.mark.slow(seconds=1)
def test_a_continuous_clock_is_left_alone(make_clip: Callable[..., Path]) -> None:
    for name in ("a.ts", "a.mkv", "a.flv", "a.mp4"):
        clip = make_clip(name, frames=25)
        found, jumps = on_one_clock(clip)
        with av.open(str(clip)) as source:
            raw = [
                packet.dts * Fraction(packet.time_base) for packet in source.demux(video=0) if packet.dts is not None
            ]
        assert found["video"] == raw
        assert jumps == []
