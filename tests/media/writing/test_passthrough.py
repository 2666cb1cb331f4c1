"""Streams that are not upscaled are copied, converted, or left out and named, depending on the container."""

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from channels import clip_with_channels, pass_through
from clips import blank, packet_bytes, write_clip

from sr4k import Job, Summary, load_preset
from sr4k.jobs.parse import parse_part

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
LINES = "1\n00:00:00,040 --> 00:00:00,200\nGood <i>day</i>\n\n2\n00:00:00,240 --> 00:00:00,600\nGood, bye\nand more\n"
RATE = 48_000
CLICKS = (0.1, 0.4, 0.7)
"""Seconds at which the sound has an edge."""


def upscale(source: Path, target: Path, **job: Any) -> Summary:
    codec = "av1" if target.suffix == ".webm" else "h264"
    speed = "12" if codec == "av1" else "ultrafast"
    return Job(source, target, preset=PRESET.updated("encode", codec=codec, preset=speed), **job).run()


def with_sound(path: Path, codec: str, *, start: Fraction = Fraction(0), hole: bool = False) -> Path:
    """A clip of a second whose sound is silent but for steps at `CLICKS`, after ``start``."""
    samples = np.zeros(RATE, np.float32)
    for click in CLICKS:
        samples[round(click * RATE) : round((click + 0.05) * RATE)] = 0.5
    write_clip(path.with_name("plain.mkv"), frames=25, audio=False)
    with av.open(str(path.with_name("plain.mkv"))) as plain, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(plain.streams.video[0])
        sound: Any = target.add_stream(codec, rate=RATE, layout="mono")
        sound.metadata["language"] = "fra"
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        for at in range(0, RATE, 960):
            if hole and 0.2 <= at / RATE < 0.3:
                continue
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + 960], format="fltp", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), at + round(start * RATE)
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    return path


def in_nut(path: Path, codec: str) -> Path:
    """A clip with a little sound, at a rate and in a container that take nearly every codec."""
    rate = 48_000 if codec == "libopus" else 44_100
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        sound: Any = target.add_stream(codec, rate=rate, layout="mono")
        target.mux([*video.encode(blank(64, 48)), *video.encode(None)])
        frame = av.AudioFrame(sound.codec_context.codec.audio_formats[0].name, "mono", 8192)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        resampler = av.AudioResampler(frame.format, "mono", rate, sound.codec_context.frame_size or 4096)
        for part in resampler.resample(frame):
            target.mux(sound.encode(part))
        target.mux(sound.encode(None))
    return path


def edges(path: Path) -> list[float]:
    """Seconds at which the sound steps up."""
    with av.open(str(path)) as source:
        heard = np.zeros(2 * RATE, np.float32)
        resampler = av.AudioResampler("fltp", "mono", RATE)
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                at = round(part.pts * part.time_base * RATE)
                block = part.to_ndarray()[0][max(0, -at) :]
                heard[max(0, at) : max(0, at) + len(block)] = block
    loud = np.convolve(np.abs(heard), np.ones(48) / 48, "same") > 0.25
    steps = [float(at) / RATE for at in np.flatnonzero(loud[1:] & ~loud[:-1])]
    return [step for before, step in pairwise([-1.0, *steps]) if step - before > 0.2]  # codecs ring


def with_lines(path: Path, *, codec: str | None = None) -> Path:
    """A clip with text subtitles, in the form that the container has them in."""
    lines = path.with_name("lines.srt")
    lines.write_text(LINES)
    write_clip(path.with_name("plain.mkv"), frames=25)
    if codec is None:
        return _joined([path.with_name("plain.mkv"), lines], path)
    srt = _joined([path.with_name("plain.mkv"), lines], path.with_name("srt.mkv"))
    upscale(srt, path)  # which converts them
    return path


def _joined(parts: list[Path], target: Path) -> Path:
    inputs = [av.open(str(part)) for part in parts]
    with av.open(str(target), "w") as out:
        copies = [[out.add_stream_from_template(s, opaque=True) for s in each.streams] for each in inputs]
        for each, streams in zip(inputs, copies, strict=True):
            for packet in each.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
            each.close()
    return target


def codecs(path: Path, kind: str) -> list[str]:
    with av.open(str(path)) as container:
        return [s.codec_context.codec.canonical_name for s in container.streams if s.type == kind]


def lines(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Begin and end in seconds, and text, of all lines."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        found = []
        for packet in container.demux(stream):
            shown = stream.codec_context.decode2(packet) if packet.size else None
            if shown is not None and len(shown) and shown[0].ass.split(b",", 8)[-1]:
                begin = packet.pts * packet.time_base
                text = shown[0].ass.split(b",", 8)[-1].decode().removesuffix(r"{\i0}")  # which ends by itself
                found.append((begin, begin + packet.duration * packet.time_base, text))
    return found


SOUND = [
    ("aac", ".mp4", "aac"), ("aac", ".mkv", "aac"), ("aac", ".mov", "aac"), ("aac", ".ts", "aac"),
    ("aac", ".webm", "opus"),
    ("libopus", ".mp4", "opus"), ("libopus", ".mov", "aac"), ("libopus", ".ts", "opus"), ("libopus", ".webm", "opus"),
    ("flac", ".mp4", "flac"), ("flac", ".mov", "aac"), ("flac", ".mkv", "flac"), ("flac", ".ts", "aac"),
    ("pcm_s16le", ".ts", "aac"), ("pcm_s16le", ".webm", "opus"), ("pcm_s16le", ".mov", "pcm_s16le"),
    ("libmp3lame", ".webm", "opus"), ("libmp3lame", ".ts", "mp3"), ("ac3", ".mov", "ac3"), ("ac3", ".webm", "opus"),
]  # fmt: skip


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("codec", "suffix", "becomes"), SOUND, ids=lambda value: str(value).lstrip("."))
def test_sound_is_copied_or_converted_to_the_sample(codec: str, suffix: str, becomes: str, tmp_path: Path) -> None:
    source, target = with_sound(tmp_path / "in.mkv", codec), tmp_path / f"out{suffix}"
    summary = upscale(source, target)
    assert codecs(target, "audio") == [becomes]
    assert summary.left_out == []
    assert not summary.damaged
    exact = codec in ("flac", "pcm_s16le") and suffix != ".webm"  # where neither clock counts in milliseconds
    same = codecs(source, "audio") == [becomes]
    assert len(summary.video.converted) == (0 if same else 1)
    assert edges(target) == pytest.approx(edges(source), abs=2 / RATE if exact else 1 / 1000)
    assert len(edges(source)) == len(CLICKS)
    with av.open(str(target)) as result:
        assert result.streams.audio[0].language == "fra"


RAW = ["pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_alaw", "pcm_mulaw", "adpcm_swf"]


@pytest.mark.parametrize("codec", [*RAW, "flac", "ac3", "eac3", "libopus"])
def test_sound_that_players_of_flv_do_not_know_becomes_aac(codec: str, tmp_path: Path) -> None:
    source = in_nut(tmp_path / "in.nut", codec)
    rest = pass_through(source, tmp_path / "out.flv")
    assert (rest.dropped, rest.damage) == ([], None)
    assert codecs(tmp_path / "out.flv", "audio") == ["aac"]
    assert rest.converted[0].endswith("becomes aac")


@pytest.mark.parametrize("suffix", [".ts", ".webm", ".mov"])
def test_converted_sound_keeps_its_start_and_its_gaps(suffix: str, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mkv", "flac", start=Fraction(1, 2), hole=True)
    upscale(source, tmp_path / f"out{suffix}")
    assert edges(tmp_path / f"out{suffix}") == pytest.approx([click + 0.5 for click in CLICKS], abs=1 / 1000)


def test_converted_sound_of_a_part_begins_with_it(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mkv", "flac")
    upscale(source, tmp_path / "out.ts", part=parse_part("0.5s@0.2"))
    assert edges(tmp_path / "out.ts")[0] == pytest.approx(0.2, abs=2 / RATE)


LINE_CODECS = {".mp4": "mov_text", ".mov": "mov_text", ".mkv": "subrip", ".webm": "webvtt"}


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("suffix", LINE_CODECS)
@pytest.mark.parametrize("source", [".mkv", ".mp4"])
def test_text_subtitles_are_in_the_form_of_the_container(source: str, suffix: str, tmp_path: Path) -> None:
    clip = with_lines(tmp_path / f"in{source}", codec=None if source == ".mkv" else "mov_text")
    summary = upscale(clip, tmp_path / f"out{suffix}")
    assert summary.left_out == []
    assert codecs(tmp_path / f"out{suffix}", "subtitle") == [LINE_CODECS[suffix]]
    assert lines(tmp_path / f"out{suffix}") == [
        (Fraction(1, 25), Fraction(1, 5), r"Good {\i1}day"),
        (Fraction(6, 25), Fraction(3, 5), r"Good, bye\Nand more"),
    ]


def test_text_subtitles_are_left_out_of_ts_by_name(tmp_path: Path) -> None:
    summary = upscale(with_lines(tmp_path / "in.mkv"), tmp_path / "out.ts")
    assert summary.left_out == ["stream 2 (subtitle, srt) can't be carried by mpegts"]


def test_times_that_go_back_are_put_right(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "plain.mkv", frames=25)
    with av.open(str(clip)) as a, av.open(str(tmp_path / "in.ts"), "w") as b:
        copies = [b.add_stream_from_template(s) for s in a.streams]
        for packet in a.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                b.mux(packet)
    summary = upscale(tmp_path / "in.ts", tmp_path / "out.mp4")
    assert not summary.damaged
    assert [data for _, data in packet_bytes(tmp_path / "out.mp4", "audio")]


def with_dvd_subtitles(path: Path, *, canvas: bytes = b"") -> Path:
    plain = write_clip(path.with_name("plain.mkv"), frames=25, audio=False)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        drawn = target.add_stream("dvdsub")
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        picture = av.Packet(bytes(range(40)))
        picture.pts = picture.dts = 40
        picture.duration, picture.time_base, picture.stream = 200, Fraction(1, 1000), drawn
        target.mux(picture)
    if canvas:
        head = b"palette: 000000, 0000ff, 00ff00, ff0000, "
        path.write_bytes(path.read_bytes().replace(head, (canvas + b"\npalette: 000000,").ljust(len(head)), 1))
    return path


def test_bitmap_subtitles_keep_their_canvas_or_are_refused(tmp_path: Path) -> None:
    kept = upscale(with_dvd_subtitles(tmp_path / "in.mkv", canvas=b"size: 64x48"), tmp_path / "out.mkv")
    assert kept.left_out == []
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert b"size: 64x48" in (result.streams.subtitles[0].codec_context.extradata or b"")
    refused = upscale(with_dvd_subtitles(tmp_path / "bare.mkv"), tmp_path / "b.mkv")
    assert refused.left_out == ["stream 1 (subtitle, dvdsub) doesn't have the size of its canvas"]


def with_blu_ray_subtitles(path: Path) -> Path:
    """A clip with two drawings as Blu-ray has them: each the size of its canvas, and its end."""
    drawn = b""
    for ticks in (9_000, 27_000):
        for kind, body in ((0x16, struct.pack(">HHBHBBBB", 64, 48, 0x10, 0, 0x80, 0, 0, 0)), (0x80, b"")):
            drawn += struct.pack(">2sIIBH", b"PG", ticks, 0, kind, len(body)) + body
    path.with_name("drawn.sup").write_bytes(drawn)
    write_clip(path.with_name("plain.mkv"), frames=25, audio=False)
    return _joined([path.with_name("plain.mkv"), path.with_name("drawn.sup")], path)


@pytest.mark.slow
def test_subtitles_of_blu_ray_are_carried_by_its_own_ts_and_left_out_of_others_by_name(tmp_path: Path) -> None:
    source = with_blu_ray_subtitles(tmp_path / "in.mkv")
    refused = upscale(source, tmp_path / "out.ts")
    assert refused.left_out == ["stream 1 (subtitle, pgssub) can't be carried by mpegts"]
    assert codecs(tmp_path / "out.ts", "subtitle") == []
    for target in (tmp_path / "out.m2ts", tmp_path / "out.MTS", tmp_path / "out.mkv"):
        assert upscale(source, target).left_out == []
        assert codecs(target, "subtitle") == ["hdmv_pgs_subtitle"]
        assert len(packet_bytes(target, "subtitle")) == len(packet_bytes(source, "subtitle")) > 0
    for suffix in (".m2ts", ".MTS"):
        data = (tmp_path / f"out{suffix}").read_bytes()
        assert len(data) % 192 == 0 and set(data[4::192]) == {0x47}  # each packet behind a time of arrival


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_timecode_is_kept(suffix: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mov", frames=25, metadata={"timecode": "01:02:03:04"})
    summary = upscale(source, tmp_path / f"out{suffix}")
    assert summary.left_out == []
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        assert result.streams.video[0].metadata["timecode"] == "01:02:03:04"


@pytest.mark.parametrize("code", ["01:02:03;04", "01:02:03:30", "later"])
def test_a_timecode_that_cannot_be_is_left_out_by_name(code: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mkv", frames=25, metadata={"timecode": code})
    summary = upscale(source, tmp_path / "out.mov")
    assert summary.left_out == [f"timecode {code} doesn't fit the frame rate"]


def test_a_timecode_of_many_frames_a_second_is_kept(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mov", frames=6, rate=120, metadata={"timecode": "09:20:02:104"}, audio=False)
    summary = upscale(source, tmp_path / "out.mp4")
    assert summary.left_out == []
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert result.streams.video[0].metadata["timecode"] == "09:20:02:104"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_track_that_tells_chapters_is_not_missed(suffix: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", frames=25, chapters=True)
    assert upscale(source, tmp_path / f"out{suffix}").left_out == []
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        assert [chapter["metadata"]["title"] for chapter in result.chapters()] == ["One", "Two"]


@pytest.mark.slow(seconds=1)
def test_sound_without_a_rate_is_left_out_and_the_picture_is_whole(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.flv", frames=25)
    data = bytearray(clip.read_bytes())
    head = data.index(b"\x08", data.index(b"onMetaData") + 200)
    while data[head + 11 : head + 13] != b"\xaf\x00":  # the tag with what AAC has to be told
        head = data.index(b"\x08", head + 1)
    data[head + 12] = 1
    clip.write_bytes(data)
    summary = upscale(clip, tmp_path / "out.mkv")
    assert summary.frames == 25
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert sum(packet.size > 0 for packet in result.demux(video=0)) == 25


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("suffix", "becomes"), [(".mp4", "aac"), (".mkv", "aac"), (".webm", "opus")])
def test_sound_that_begins_in_the_second_part_of_a_joined_ts_is_carried(
    suffix: str, becomes: str, tmp_path: Path
) -> None:
    write_clip(tmp_path / "silent.ts", frames=150, audio=False)
    with_sound(tmp_path / "heard.ts", "aac")  # several packets together, of which libav tells when the first begins
    (tmp_path / "in.ts").write_bytes((tmp_path / "silent.ts").read_bytes() + (tmp_path / "heard.ts").read_bytes())
    with av.open(str(tmp_path / "in.ts")) as source:
        assert source.streams.audio[0].sample_rate == 0
    rest = pass_through(tmp_path / "in.ts", tmp_path / f"out{suffix}")
    assert (rest.dropped, rest.damage) == ([], None)
    assert codecs(tmp_path / f"out{suffix}", "audio") == [becomes]
    steps = edges(tmp_path / f"out{suffix}")
    assert [step - steps[0] for step in steps] == pytest.approx([click - CLICKS[0] for click in CLICKS], abs=1 / 500)


def test_tta_that_libav_would_mangle_is_converted(tmp_path: Path) -> None:
    source = clip_with_channels(tmp_path / "in.mkv", "tta", "stereo", seconds=2)  # more than one block of it
    rest = pass_through(source, tmp_path / "out.mkv")
    assert rest.converted == ["stream 1 (audio, tta) becomes flac"]
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert sum(frame.samples for frame in result.decode(audio=0)) == pytest.approx(2 * RATE, abs=2048)
