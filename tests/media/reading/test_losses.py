"""Decode losses of a file are counted, and listed with their times."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import MakeClip

from sr4k.errors import InputError
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.losses import Losses
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import LossReport, LostPlace

GOPS = {"g": "10", "preset": "ultrafast", "bf": "0", "crf": "20"}


def losses(path: Path, *, strict: bool = False, part: TimeSpan | None = None) -> LossReport:
    with VideoReader(ReadSettings(path=path, strict=strict, part=part)) as reader:
        for _ in reader.pictures():
            pass
        return reader.report().losses


def rewritten(
    source: Path,
    target: Path,
    *,
    spoilt: set[int] = frozenset(),
    emptied: set[int] = frozenset(),
    dropped: set[int] = frozenset(),
) -> Path:
    """Copy the video's packets, with those of some numbers damaged, emptied or dropped."""
    with av.open(str(source)) as a, av.open(str(target), "w") as b:
        copy = b.add_stream_from_template(a.streams.video[0])
        for number, packet in enumerate(a.demux(video=0)):
            if packet.dts is None or number in dropped:
                continue
            content = bytes(range(256)) * 2 if number in spoilt else bytes(packet)
            made = av.Packet(b"" if number in emptied else content)
            made.pts, made.dts, made.duration, made.time_base = (
                packet.pts,
                packet.dts,
                packet.duration,
                packet.time_base,
            )
            made.is_keyframe, made.stream = packet.is_keyframe, copy
            b.mux(made)
    return target


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("options", [GOPS, {"preset": "medium", "g": "10"}], ids=["no B-frames", "B-frames"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts", ".flv", ".avi"])
def test_nothing_is_lost_of_a_clean_file(suffix: str, options: dict[str, str], make_clip: MakeClip) -> None:
    found = losses(make_clip(f"in{suffix}", frames=40, options=options, audio=False), strict=True)
    assert (found.packets, found.missing, found.concealed) == (0, 0, 0)
    assert found.places == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pictures_that_cannot_be_decoded_are_listed_with_their_times(
    suffix: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    clean = make_clip(f"in{suffix}", frames=40, options=GOPS, audio=False)
    found = losses(rewritten(clean, tmp_path / f"bad{suffix}", spoilt={9, 28, 29}))
    assert found.packets == 3
    assert [(p.kind, p.at, p.until, p.frames) for p in found.places if p.kind == "packets"] == [
        ("packets", 0.36, 0.36, 1),
        ("packets", 1.12, 1.16, 2),
    ]
    assert found.first_at == 0.36


def test_a_start_without_its_key_frame(make_clip: MakeClip, tmp_path: Path) -> None:
    clean = make_clip("in.mkv", frames=40, options=GOPS, audio=False)
    found = losses(rewritten(clean, tmp_path / "bad.mkv", dropped=set(range(4))))
    assert found.missing == 6
    assert found.places[0] == LostPlace("missing", at=0.16, until=0.36, frames=6)
    assert found.reasons == ("the start can't be decoded: its key frame is missing",)


def test_a_header_that_promises_more_than_there_is(make_clip: MakeClip) -> None:
    clip = make_clip("in.mkv", frames=40, options=GOPS, audio=False)
    data = bytearray(clip.read_bytes())
    duration = data.index(b"\x44\x89\x88") + 3
    assert struct.unpack_from(">d", data, duration) == (1600.0,)
    struct.pack_into(">d", data, duration, 11_600.0)
    clip.write_bytes(data)
    found = losses(clip)
    assert found.missing == 250
    assert found.places == (LostPlace("missing", at=1.6, until=11.6, frames=250),)


def test_a_header_that_lies_about_the_size(make_clip: MakeClip) -> None:
    clip = make_clip("in.mp4", frames=10, options=GOPS, audio=False)
    data = bytearray(clip.read_bytes())
    struct.pack_into(">HH", data, data.index(b"avc1", data.index(b"stsd")) + 28, 9000, 7)
    clip.write_bytes(data)
    with VideoReader(ReadSettings(path=clip)) as reader:
        info = reader.info
    assert (info.width, info.height) == (64, 48)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("spoilt", [{0}, {9}, {39}])
def test_strict_stops_at_the_first(spoilt: set[int], make_clip: MakeClip, tmp_path: Path) -> None:
    clean = make_clip("in.mkv", frames=40, options=GOPS, audio=False)
    assert losses(clean, strict=True)
    with pytest.raises(InputError, match=r"bad\.mkv is damaged at \d\.\d\d s: .*strict=True stops at the first loss"):
        losses(rewritten(clean, tmp_path / "bad.mkv", spoilt=spoilt), strict=True)


def test_the_list_is_bounded_and_the_counts_are_not() -> None:
    found = Losses("a.mkv", near=Fraction(1, 10))
    for second in range(1000):
        found.add("concealed", "damaged pictures", Fraction(second))
        found.add("concealed", "damaged pictures", Fraction(second) + Fraction(1, 20))
    told = found.report()
    assert told.concealed == 2000
    assert len(told.places) == 100
    assert sum(place.frames for place in told.places) + told.unlisted == 2000


@pytest.mark.slow(seconds=1)
def test_the_times_of_concealed_frames_in_a_part_are_those_of_the_source(make_clip: MakeClip) -> None:
    clip = make_clip("in.mkv", frames=50, options=GOPS, audio=False)
    with av.open(str(clip)) as container:
        position, size = next((p.pos or 0, p.size) for n, p in enumerate(container.demux(video=0)) if n == 34)
    data = bytearray(clip.read_bytes())
    data[position + size // 2 : position + size] = bytes(size - size // 2)
    clip.write_bytes(data)
    whole = losses(clip).places
    assert [(place.kind, place.at) for place in whole][:1] == [("concealed", 34 / 25)]
    assert losses(clip, part=TimeSpan(Fraction(1), Fraction(1))).places == whole


@pytest.mark.slow(seconds=1)
def test_random_damage_never_raises(make_clip: MakeClip) -> None:
    clip = make_clip("in.mkv", frames=60, options=GOPS)
    clean = clip.read_bytes()
    for seed in range(5):
        data, dice = bytearray(clean), np.random.default_rng(seed)
        for at in dice.integers(len(data) // 2, len(data), 40):
            data[at] = dice.integers(256)
        clip.write_bytes(bytes(data))
        assert losses(clip)


def test_an_empty_packet_shows_the_last_picture_again(make_clip: MakeClip, tmp_path: Path) -> None:
    clean = make_clip("in.nut", frames=12, codec="mjpeg", pix_fmt="yuvj420p", options={"g": "1"}, audio=False)
    source = rewritten(clean, tmp_path / "again.nut", emptied={4, 7, 8, 11})
    with av.open(str(source)) as container:
        assert [packet.size for packet in container.demux(video=0)].count(0) == 5  # four, and the one at the end
    with VideoReader(ReadSettings(path=source, strict=True)) as reader:
        times = [(info.pts * info.time_base, info.duration * info.time_base) for _, info in reader.pictures()]
    assert [at * 25 for at, _ in times] == [0, 1, 2, 3, 5, 6, 9, 10]
    assert times[-1][1] * 25 == 2
    assert reader.report().losses.retimed == 0
