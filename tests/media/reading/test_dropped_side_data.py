"""Side data of pictures are kept, or reported as not kept."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from clips import write_clip

from sr4k import Job, Summary, load_preset
from sr4k.media.reading.open_file import open_input
from sr4k.media.stereo3d import stereo_mode

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")

TICK = Fraction(1, 25)

CAPTION = bytes.fromhex("060414" + "b50031" + "4741393403" + "43ff" + "fcc8e5fcececfcef80" + "ff" + "80")
"""SEI of H.264 with closed captions (ATSC A/53, Part 4): one word."""

SPHERE = bytes(12) + bytes(4) + bytes(16)
"""A full equirectangular projection, without rotation or bounds."""


def upscale(source: Path, target: Path) -> Summary:
    return Job(source, target, preset=PRESET.updated("encode", preset="ultrafast")).run()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def with_captions(path: Path, *, first: int = 0) -> Path:
    """Write a clip whose pictures have captions from number ``first`` on."""
    plain = write_clip(path.with_name("plain.mp4"), frames=20, audio=False, options={"preset": "ultrafast"})
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is None:
                continue
            sei = struct.pack(">I", len(CAPTION)) + CAPTION if number >= first else b""
            made = av.Packet(sei + bytes(packet))
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, copy
            target.mux(made)
    return path


def spherical(path: Path) -> Path:
    """Write a clip that is marked as spherical (Spherical Video V2), by boxes inserted into its header."""
    write_clip(path, frames=5, audio=False)
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")  # so that no chunk offset changes
    head = box(b"svhd", bytes(5))
    projection = box(b"prhd", bytes(16)) + box(b"equi", bytes(20))
    added = box(b"sv3d", head + box(b"proj", projection))
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    end = entry + struct.unpack_from(">I", data, entry)[0]
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        at = data.index(kind) - 4
        data = data[:at] + struct.pack(">I", struct.unpack_from(">I", data, at)[0] + len(added)) + data[at + 4 :]
    size = struct.pack(">I", end - entry + len(added))
    path.write_bytes(data[:entry] + size + data[entry + 4 : end] + added + data[end:])
    return path


def three_dimensional(path: Path, mode: str) -> Path:
    plain = write_clip(path.with_name("plain.mkv"), frames=5, audio=False)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        copy.metadata["stereo_mode"] = mode
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return path


def cases(folder: Path) -> Iterator[tuple[Path, str]]:
    yield with_captions(folder / "captions.mp4"), "closed captions"
    yield with_captions(folder / "later.mp4", first=10), "closed captions"
    yield spherical(folder / "sphere.mp4"), "spherical (360°)"
    alpha = write_clip(folder / "alpha.webm", frames=5, audio=False, codec="libvpx", options={"deadline": "realtime"})
    yield alpha_of(alpha), "transparency of vp8"
    timecodes = {"g": "12", "gop_timecode": "10:00:00:00"}
    yield (
        write_clip(folder / "times.mpg", frames=5, audio=False, codec="mpeg2video", time_base=TICK, options=timecodes),
        "timecodes",
    )


def alpha_of(path: Path) -> Path:
    """Mark the clip as having an alpha channel."""
    with av.open(str(path)) as source, av.open(str(path.with_name("a.webm")), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        copy.metadata["alpha_mode"] = "1"
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return path.with_name("a.webm")


@pytest.mark.slow
def test_side_data_that_are_not_kept_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for source, words in cases(tmp_path):
        summary = upscale(source, tmp_path / f"{source.stem}-out.mkv")
        assert [words in left_out for left_out in summary.left_out] == [True], source.name
        assert words in caplog.text
        assert not summary.damaged


@pytest.mark.slow
def test_pictures_without_such_side_data_are_not_reported(tmp_path: Path) -> None:
    for suffix, codec in ((".mp4", "libx264"), (".mpg", "mpeg2video"), (".mkv", "libx265")):
        source = tmp_path / f"in{suffix}"
        write_clip(source, frames=5, codec=codec, audio=False, time_base=TICK, options={"g": "12"})
        assert upscale(source, tmp_path / f"out{suffix[1:]}.mkv").left_out == []


@pytest.mark.parametrize("mode", ["left_right", "bottom_top"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_stereo_modes_are_kept_or_reported(mode: str, suffix: str, tmp_path: Path) -> None:
    summary = upscale(three_dimensional(tmp_path / "in.mkv", mode), tmp_path / f"out{suffix}")
    with open_input(tmp_path / f"out{suffix}") as result:
        kept: Any = stereo_mode(next(result.decode(video=0)))
    if suffix == ".mkv" or mode == "left_right":
        assert (kept, summary.left_out) == (mode, [])
    else:
        container = {".mp4": "mp4", ".ts": "mpegts"}[suffix]
        words = f"that the pictures are stereoscopic (3D, {mode}) can't be carried by {container}"
        assert (kept, summary.left_out) == (None, [words])


def test_the_stereo_mode_of_the_pictures_reaches_matroska(tmp_path: Path) -> None:
    upscale(three_dimensional(tmp_path / "in.mkv", "left_right"), tmp_path / "out.mp4")
    upscale(tmp_path / "out.mp4", tmp_path / "again.mkv")
    with open_input(tmp_path / "again.mkv") as result:
        assert result.streams.video[0].metadata["stereo_mode"] == "left_right"
        assert result.streams.video[0].average_rate == Fraction(25)
