"""Converted audio: losses are counted, and all other samples are in the result."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from channels import RATE, clip_with_channels, pass_through
from joined import joined

from sr4k import Job, load_preset
from sr4k.errors import InputError
from sr4k.media.channel_layouts import Speakers
from sr4k.media.writing.audio_encoder import Reencoded

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")


def damaged_clip(path: Path) -> Path:
    """FLAC of which every second packet is noise."""
    whole = clip_with_channels(path.with_name("whole.mkv"), "flac", "stereo")
    noise = np.random.default_rng(0)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for number, packet in enumerate(source.demux()):
            if packet.dts is None:
                continue
            made = packet
            if packet.stream.type == "audio" and number % 2:
                made = av.Packet(noise.bytes(packet.size))
                made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.stream = copies[packet.stream.index]
            target.mux(made)
    return path


def sound_packets(path: Path, codec: str, times: Any, layout: Any = lambda _: "stereo") -> Path:
    """A clip whose packets of sound, 20 ms each, have these times in ms."""
    plain = clip_with_channels(path.with_name(f"plain{path.suffix}"), "pcm_s16le", "mono", seconds=0.2)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound: Any = target.add_stream(codec, rate=RATE, layout=layout(0))
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        for number, at in enumerate(times):
            samples = np.full((1, 960 * 2), 1000 * (number % 20), np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 960 * number, Fraction(1, RATE)
            for packet in sound.encode(frame):
                packet.pts = packet.dts = at
                packet.time_base = Fraction(1, 1000)
                target.mux(packet)
    return path


def samples_of(path: Path) -> int:
    with av.open(str(path)) as source:
        return sum(frame.samples for frame in source.decode(audio=0))


def test_packets_that_cannot_be_decoded_are_counted_as_losses(tmp_path: Path) -> None:
    rest = pass_through(damaged_clip(tmp_path / "in.mkv"), tmp_path / "out.ts")
    assert rest.damage is not None
    assert rest.damage.endswith(
        "packets of stream 1 (audio, flac): undecodable (Invalid data found when processing input)"
    )
    number = int(rest.damage.split()[0])
    with av.open(str(tmp_path / "in.mkv")) as source:
        assert 2 < int(number) < sum(packet.size > 0 for packet in source.demux(audio=0))


def test_lost_sound_is_damage_and_strict_does_not_bear_it(tmp_path: Path) -> None:
    source = damaged_clip(tmp_path / "in.mkv")
    assert Job(source, tmp_path / "out.ts", preset=PRESET).run().damaged
    with pytest.raises(InputError, match="undecodable"):
        Job(source, tmp_path / "strict.ts", preset=PRESET, strict=True).run()
    assert not list(tmp_path.glob("*strict.ts*"))


def test_packets_without_a_time_of_their_own_follow_each_other(tmp_path: Path) -> None:
    source = sound_packets(tmp_path / "in.mkv", "pcm_s16le", [0] * 25)
    rest = pass_through(source, tmp_path / "out.ts")
    assert rest.damage is None
    assert samples_of(tmp_path / "out.ts") == pytest.approx(25 * 960, abs=2048)  # AAC's lead-in


def test_sound_that_changes_its_form_on_the_way_is_converted_to_the_end(tmp_path: Path) -> None:
    first = clip_with_channels(tmp_path / "a.ts", "mp2", "stereo")
    second = clip_with_channels(tmp_path / "b.ts", "mp2", "mono")
    (tmp_path / "in.ts").write_bytes(first.read_bytes() + second.read_bytes())
    with av.open(str(tmp_path / "in.ts")) as source, av.open(str(tmp_path / "out.mkv"), "w") as out:
        stream = source.streams.audio[0]
        track = Reencoded(stream, Speakers.of(stream), out)
        made = [packet for packet in source.demux(stream) for packet in track.packets(packet)]
        out.mux([*made, *track.drain()])
    assert +track.lost == {}
    assert samples_of(tmp_path / "out.mkv") == pytest.approx(RATE, abs=2500)


@pytest.mark.parametrize(
    ("codecs", "rates"),
    [(("aac", "mp2"), (RATE, RATE)), (("mp2", "ac3"), (RATE, 44_100)), (("aac", "aac"), (RATE, 22_050))],
)
def test_sound_that_changes_its_codec_or_rate_is_converted_to_the_end(
    codecs: tuple[str, str], rates: tuple[int, int], tmp_path: Path
) -> None:
    first, second = (
        clip_with_channels(tmp_path / f"{number}.ts", codec, "stereo", rate=rate)
        for number, (codec, rate) in enumerate(zip(codecs, rates, strict=True))
    )
    rest = pass_through(joined(tmp_path / "in.ts", first, second), tmp_path / "out.webm")
    assert (rest.damage, len(rest.converted)) == (None, 1)
    assert samples_of(tmp_path / "out.webm") == pytest.approx(RATE, abs=5000)
