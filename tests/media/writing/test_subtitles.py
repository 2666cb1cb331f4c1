"""Text subtitles that are converted: each at its time, none lost unsaid."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from channels import clip_with_channels, pass_through

Cue = tuple[float, float, str]

OVERLAPPING = [(0.1, 3.0, "long sign"), (1.0, 2.0, "dialogue"), (3.5, 4.0, "after")]
TOUCHING = [(0.2, 1.0, "one"), (1.0, 1.5, "two"), (1.5, 2.5, "three"), (1.5, 2.0, "beside it")]

CAPTIONS = bytes.fromhex("fc9420fc9420fc94adfc94adfc9470fc9470fcc8e5fcececfcef80fc942ffc942f")
"""CEA-608 that writes a word and shows it."""


def with_cues(path: Path, *tracks: list[Cue]) -> Path:
    """A clip of some seconds with these subtitles."""
    plain = clip_with_channels(path.with_name("plain.mkv"), "pcm_s16le", "stereo", seconds=5)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        copies: list[Any] = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        texts = [target.add_mux_stream("subrip", time_base=Fraction(1, 1000)) for _ in tracks]
        packets = [packet for packet in source.demux() if packet.dts is not None]
        for packet in packets:
            packet.stream = copies[packet.stream.index]
        for stream, track in zip(texts, tracks, strict=True):
            for begin, end, text in track:
                packet = av.Packet(text.encode())
                packet.time_base, packet.stream = Fraction(1, 1000), stream
                packet.pts = packet.dts = round(begin * 1000)
                packet.duration = round((end - begin) * 1000)
                packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            target.mux(packet)
    return path


def cues(path: Path, number: int = 0) -> list[Cue]:
    with av.open(str(path)) as source:
        stream = source.streams.subtitles[number]
        found = []
        for packet in source.demux(stream):
            shown = stream.codec_context.decode2(packet) if packet.size else None
            text = b"" if not shown else shown[0].ass.split(b",", 8)[-1]
            if text:
                begin = packet.pts * packet.time_base
                found.append((float(begin), float(begin + packet.duration * packet.time_base), text.decode()))
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_texts_that_overlap_begin_when_they_should_in_each_track(suffix: str, tmp_path: Path) -> None:
    source = with_cues(tmp_path / "in.mkv", OVERLAPPING, TOUCHING)
    rest = pass_through(source, tmp_path / f"out{suffix}")
    assert cues(tmp_path / f"out{suffix}") == [(0.1, 1.0, "long sign"), (1.0, 2.0, "dialogue"), (3.5, 4.0, "after")]
    assert cues(tmp_path / f"out{suffix}", 1) == [(0.2, 1.0, "one"), (1.0, 1.5, "two"), (1.5, 2.5, r"three\Nbeside it")]
    shows = f"1 text overlaps the next, of which {suffix[1:]} shows one at a time"
    assert rest.dropped == [f"stream 2 (subtitle, srt): {shows}"]
    again = tmp_path / f"again{suffix}"
    assert pass_through(tmp_path / f"out{suffix}", again).dropped == []
    assert [cues(again, number) for number in (0, 1)] == [cues(tmp_path / f"out{suffix}", number) for number in (0, 1)]


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_other_containers_show_all_that_overlap(suffix: str, tmp_path: Path) -> None:
    rest = pass_through(with_cues(tmp_path / "in.mkv", OVERLAPPING), tmp_path / f"out{suffix}")
    assert cues(tmp_path / f"out{suffix}") == OVERLAPPING
    assert rest.dropped == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_closed_captions_in_a_track_become_text(suffix: str, tmp_path: Path) -> None:
    plain = clip_with_channels(tmp_path / "plain.mov", "pcm_s16le", "stereo", seconds=1)
    with av.open(str(plain)) as source, av.open(str(tmp_path / "in.mov"), "w") as target:
        copies: list[Any] = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        captions = target.add_mux_stream("eia_608", time_base=Fraction(1, 1000))
        packets = [packet for packet in source.demux() if packet.dts is not None]
        for packet in packets:
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
        spoken = av.Packet(CAPTIONS)
        spoken.pts = spoken.dts = 165
        spoken.duration, spoken.time_base, spoken.stream = 800, Fraction(1, 1000), captions
        target.mux(spoken)
    rest = pass_through(tmp_path / "in.mov", tmp_path / f"out{suffix}")
    assert rest.damage is None
    [(begin, end, text)] = cues(tmp_path / f"out{suffix}")
    assert (begin, "Hello" in text) == (0.165, True)
    assert end > begin
