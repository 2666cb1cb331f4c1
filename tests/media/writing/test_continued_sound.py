"""Sound that changes its codec, rate or channels midway is copied before the change and converted after it."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from channels import RATE, TONES, clip_with_channels, pass_through
from clips import packet_bytes
from joined import joined, moved

from sr4k import Job, load_preset
from sr4k.errors import InputError
from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import Speakers

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
PART = 0.5
"""Seconds of each recording."""


def recordings(path: Path, *parts: tuple[str, str, int]) -> Path:
    """Recordings joined as ``cat`` does, each of a codec, a layout and a rate."""
    clips = [
        clip_with_channels(path.with_name(f"{number}.ts"), codec, layout, rate=rate, seconds=PART)
        for number, (codec, layout, rate) in enumerate(parts)
    ]
    return joined(path, *clips)


def in_main_profile(path: Path) -> Path:
    """Have the headers of AAC name a profile that libav can decode and not encode."""
    path.write_bytes(path.read_bytes().replace(b"\xff\xf1\x4c", b"\xff\xf1\x0c"))
    return path


def mono_tones(path: Path) -> list[bool]:
    """Whether the left (or center) speaker's tone, and hardly any other, is in each part of the sound, by its times."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        mixer = Mixer(Speakers.of(stream), "mono", RATE)
        heard = np.zeros(round(8 * RATE), np.float32)
        parts = [part for frame in source.decode(stream) for part in mixer.mixed(frame)]
        for part in [*parts, *mixer.drained()]:
            assert part.pts is not None
            at = round(part.pts * part.time_base * RATE)
            samples = part.to_ndarray()[0][max(0, -at) :]
            heard[max(0, at) : max(0, at) + len(samples)] = samples
    found = []
    for begin in np.arange(0.1, np.flatnonzero(heard)[-1] / RATE - 0.3, PART):
        spectrum = np.abs(np.fft.rfft(heard[round(begin * RATE) : round((begin + 0.3) * RATE)]))
        tone = round(spectrum.argmax() / 0.3)
        loudest = np.sort(spectrum)
        is_left = min(abs(tone - at) for at in (TONES["FL"], TONES["FC"])) < 25  # times in ms make packets jitter
        found.append(bool(is_left and loudest[-1] > 100 * loudest[len(loudest) // 2]))
    return found


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".flv"])
@pytest.mark.parametrize(
    ("second", "becomes"),
    [
        (("aac", "mono", 22_050), "converted from 22050 Hz to 48000 Hz"),
        (("mp2", "mono", RATE), "converted from mp2 to aac"),
    ],
)
def test_sound_after_a_change_is_converted(
    second: tuple[str, str, int], becomes: str, suffix: str, tmp_path: Path
) -> None:
    source = recordings(tmp_path / "in.ts", ("aac", "mono", RATE), second)
    rest = pass_through(source, tmp_path / f"out{suffix}")
    assert (rest.damage, rest.dropped) == (None, [])
    [told] = rest.converted
    assert re.fullmatch(rf"stream 1 \(audio, aac\): {becomes} from 0\.[45]\d s on", told)
    assert mono_tones(tmp_path / f"out{suffix}") == [True, True]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("first", "second"), [("aac", "ac3"), ("mp2", "aac"), ("ac3", "aac"), ("libmp3lame", "aac")])
def test_another_codec_in_the_same_transport_stream_is_converted(first: str, second: str, tmp_path: Path) -> None:
    source = recordings(tmp_path / "in.ts", (first, "mono", RATE), (second, "mono", RATE))
    rest = pass_through(source, tmp_path / "out.ts")
    assert (rest.damage, len(rest.converted)) == (None, 1)
    assert mono_tones(tmp_path / "out.ts") == [True, True]


def test_a_change_of_channels_is_mixed_to_those_at_the_beginning(tmp_path: Path) -> None:
    rest = pass_through(
        recordings(tmp_path / "in.ts", ("aac", "mono", RATE), ("aac", "5.1", RATE)), tmp_path / "out.mkv"
    )
    assert rest.damage is None
    assert "converted from 6 channels to 1 channel from 0." in rest.converted[0]
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert {frame.layout.name for frame in result.decode(audio=0)} == {"mono"}


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("first", "second"),
    [(("mp2", "mono", RATE), ("aac", "mono", RATE)), (("aac", "mono", RATE), ("aac", "mono", 22_050))],
)
def test_sound_that_comes_back_to_its_first_form_is_copied_again(
    first: tuple[str, str, int], second: tuple[str, str, int], tmp_path: Path
) -> None:
    source = recordings(tmp_path / "in.ts", first, second, first, second)
    rest = pass_through(source, tmp_path / "out.mkv")
    assert (rest.damage, len(rest.converted)) == (None, 1)  # each change is told once
    assert mono_tones(tmp_path / "out.mkv") == [True] * 4
    whole = [data for _, data in packet_bytes(tmp_path / "0.ts", "audio")]
    made = [data for _, data in packet_bytes(tmp_path / "out.mkv", "audio")]
    bare = [data[7:] if first[0] == "aac" else data for data in whole]  # Matroska has no header before each packet
    assert sum(data in bare for data in made) == pytest.approx(2 * len(bare), abs=2)


@pytest.mark.parametrize("suffix", [".ts", ".nut"])
def test_containers_whose_packets_describe_themselves_keep_a_change_of_rate(suffix: str, tmp_path: Path) -> None:
    source = recordings(tmp_path / "in.ts", ("aac", "mono", RATE), ("aac", "mono", 22_050))
    rest = pass_through(source, tmp_path / f"out{suffix}")
    assert (rest.damage, rest.converted) == (None, [])
    assert mono_tones(tmp_path / f"out{suffix}") == [True, True]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".flv"])
def test_another_header_in_flv_is_heeded(suffix: str, tmp_path: Path) -> None:
    first = clip_with_channels(tmp_path / "0.flv", "aac", "mono", video="libx264", seconds=PART)
    second = clip_with_channels(tmp_path / "1.flv", "aac", "mono", video="libx264", rate=22_050, seconds=PART)
    later = moved(tmp_path / "2.flv", second, PART + 0.1)
    (tmp_path / "in.flv").write_bytes(first.read_bytes() + later.read_bytes()[13:])  # without the file's header
    rest = pass_through(tmp_path / "in.flv", tmp_path / f"out{suffix}")
    assert (rest.damage, len(rest.converted)) == (None, 0 if suffix == ".flv" else 1)
    assert mono_tones(tmp_path / f"out{suffix}") == [True, True]


@pytest.mark.slow(seconds=1)
def test_a_header_that_flv_repeats_leaves_that_of_matroska_alone(tmp_path: Path) -> None:
    first = clip_with_channels(tmp_path / "0.flv", "aac", "mono", video="libx264", seconds=PART)
    again = moved(tmp_path / "1.flv", first, PART + 0.1)
    (tmp_path / "in.flv").write_bytes(first.read_bytes() + again.read_bytes()[13:])  # without the file's header
    rest = pass_through(tmp_path / "in.flv", tmp_path / "out.mkv")
    assert (rest.damage, rest.converted) == (None, [])
    with av.open(str(first)) as source, av.open(str(tmp_path / "out.mkv")) as result:
        assert len(result.streams.audio) == 1
        assert result.streams.audio[0].codec_context.extradata == source.streams.audio[0].codec_context.extradata
    assert mono_tones(tmp_path / "out.mkv") == [True, True]


def test_what_cannot_be_converted_to_the_first_form_is_lost_with_its_time(tmp_path: Path) -> None:
    source = in_main_profile(recordings(tmp_path / "in.ts", ("aac", "mono", RATE), ("mp2", "mono", RATE)))
    rest = pass_through(source, tmp_path / "out.mkv")
    assert rest.converted == []
    assert rest.damage is not None
    assert re.fullmatch(
        r"2\d packets of stream 1 \(audio, aac\): aac becomes mp2 at 0\.[45]\d s, which a track of matroska can't do, "
        r"and can't be converted back \(in a \.webm file all sound is converted\)",
        rest.damage,
    )


@pytest.mark.slow(seconds=1)
def test_a_job_tells_of_what_it_converted_and_of_what_it_lost(tmp_path: Path) -> None:
    source = recordings(tmp_path / "in.ts", ("aac", "mono", RATE), ("mp2", "mono", RATE))
    summary = Job(source, tmp_path / "out.mkv", preset=PRESET, strict=True).run()
    assert not summary.damaged
    assert "converted from mp2 to aac from 0." in summary.video.converted[0]
    lossy = in_main_profile(joined(tmp_path / "lossy.ts", source))
    assert Job(lossy, tmp_path / "lossy.mkv", preset=PRESET).run().damaged
    with pytest.raises(InputError, match=r"aac becomes mp2 at 0\.\d\d s"):
        Job(lossy, tmp_path / "strict.mkv", preset=PRESET, strict=True).run()
