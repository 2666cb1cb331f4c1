"""Channels keep their roles on every path that audio can take, and no memory is freed twice."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.layout import AudioLayout
from channels import BEHIND, TONES, clip_with_channels, heard, pass_through
from numpy.typing import NDArray

from sr4k.media.channel_layouts import Speakers, places, roomiest
from sr4k.probing import probe

LAYOUTS = [
    "mono", "stereo", "2.1", "3.0", "4.0", "quad", "3.1", "5.0", "5.0(side)", "4.1", "5.1", "5.1(side)", "6.0", "6.1",
    "7.0", "7.1",
]  # fmt: skip
TARGETS = [".mp4", ".mov", ".mkv", ".ts", ".webm"]

C_L_R_LS_RS_LFE = (124 << 16 | 6).to_bytes(4)
"""Apple's layout tag for 5.1 in film order."""


def tones(layout: str) -> dict[str, int]:
    names = [channel.name for channel in AudioLayout(layout).channels]
    return {BEHIND.get(name, name): TONES[name] for name in names}


def expected(layout: str, suffix: str) -> dict[str, int]:
    """AAC and Opus layouts without a back center play it on the back left and back right speakers."""
    found = tones(layout)
    if "BC" in found and (suffix == ".webm" or (suffix == ".ts" and layout != "4.0")):
        behind = found.pop("BC")
        found.setdefault("BL", behind)
        found.setdefault("BR", behind)
    return found


def _speakers(layout: str) -> Speakers:
    names = tuple(channel.name for channel in AudioLayout(layout).channels)
    return Speakers(len(names), names)


def in_order_of_films(path: Path) -> Path:
    """5.1 in an order that is not libav's native one."""
    clip_with_channels(path, "pcm_s16le", "5.1")
    data = path.read_bytes()
    at = data.index(b"chan") + 8
    path.write_bytes(data[:at] + C_L_R_LS_RS_LFE + data[at + 4 :])
    return path


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_channel_stays_what_it_was(layout: str, tmp_path: Path) -> None:
    source = clip_with_channels(tmp_path / "in.mov", "pcm_s16le", layout)
    for target in (tmp_path / f"out{suffix}" for suffix in TARGETS):
        rest = pass_through(source, target)
        assert rest.dropped == [] and rest.damage is None, target.suffix
        with av.open(str(target)) as result:
            speakers = Speakers.of(result.streams.audio[0])
        # Matroska stores only the number of channels of PCM
        sure = layout in ("mono", "stereo", "5.0", "5.0(side)", "5.1", "5.1(side)", "6.1", "7.1")
        assert speakers.names is not None or speakers.number <= 2 or (target.suffix == ".mkv" and sure)
        if speakers.names is not None or speakers.number <= 2:
            assert heard(target) == expected(layout, target.suffix), target.suffix


@pytest.mark.slow(seconds=1)
def test_channels_in_an_order_of_their_own_are_found_again_in_every_container(tmp_path: Path) -> None:
    source = in_order_of_films(tmp_path / "in.mov")
    with av.open(str(source)) as opened:
        assert Speakers.of(opened.streams.audio[0]).names == ("FC", "FL", "FR", "SL", "SR", "LFE")
    expected = {"FC": 300, "FL": 450, "FR": 600, "BL": 60, "BR": 750, "LFE": 900}
    for target in (tmp_path / f"out{suffix}" for suffix in TARGETS):
        pass_through(source, target)
        got = heard(target)
        if target.suffix not in (".mp4", ".mov"):  # encoders low-pass an LFE channel
            del got["LFE"]
        assert got == {name: tone for name, tone in expected.items() if name in got}, target.suffix
        assert len(got) >= 5


@pytest.mark.parametrize(
    ("codec", "layout", "suffix", "becomes"),
    [
        ("flac", "2.1", ".mp4", "aac"),
        ("flac", "4.0", ".mp4", "aac"),
        ("flac", "quad", ".mp4", "flac"),
        ("flac", "5.1", ".mp4", "flac"),
        ("flac", "4.0", ".mkv", "flac"),
        ("pcm_s16le", "3.0", ".nut", "flac"),
        ("pcm_s16le", "2.1", ".mkv", "flac"),
        ("pcm_s16le", "quad", ".nut", "flac"),
        ("pcm_s16le", "5.1(side)", ".nut", "pcm_s16le"),
        ("ac3", "5.1(side)", ".ts", "ac3"),
        ("ac3", "2.1", ".mov", "ac3"),
    ],
)
def test_audio_is_copied_only_where_every_player_finds_each_channel(
    codec: str, layout: str, suffix: str, becomes: str, tmp_path: Path
) -> None:
    source = clip_with_channels(tmp_path / ("in.mov" if codec.startswith("pcm") else "in.mkv"), codec, layout)
    rest = pass_through(source, tmp_path / f"out{suffix}")
    assert (len(rest.converted), rest.dropped, rest.damage) == (int(codec != becomes), [], None)
    with av.open(str(tmp_path / f"out{suffix}")) as result:
        stream = result.streams.audio[0]
        assert stream.codec_context.codec.canonical_name == becomes
        assert Speakers.of(stream).means(_speakers(layout))


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16be", "pcm_s24le"])
@pytest.mark.parametrize("layout", ["2.1", "4.0", "quad"])
@pytest.mark.parametrize("suffix", [".mkv", ".nut"])
def test_raw_sound_whose_channels_could_not_be_named_loses_no_bit(
    codec: str, layout: str, suffix: str, tmp_path: Path
) -> None:
    source = clip_with_channels(tmp_path / "in.mov", codec, layout)
    rest = pass_through(source, tmp_path / f"out{suffix}")
    assert (rest.converted, rest.damage) == ([f"stream 1 (audio, {codec}) becomes flac"], None)
    assert heard(tmp_path / f"out{suffix}") == {name: tone for name, tone in tones(layout).items() if tone}
    names = [channel.name for channel in AudioLayout(layout).channels]
    before, after = samples(source), samples(tmp_path / f"out{suffix}")
    for index, name in enumerate(names):
        assert any(np.array_equal(before[:, index], channel) for channel in after.T), name


def samples(path: Path) -> NDArray[np.int64]:
    """The samples of each channel, as 32-bit integers."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        number = Speakers.of(stream).number
        blocks = [frame.to_ndarray().reshape(-1, number) for frame in source.decode(stream)]
    made = np.concatenate(blocks).astype(np.int64)
    return (made - 128) << 24 if blocks[0].dtype == np.uint8 else made << (16 if blocks[0].dtype == np.int16 else 0)


@pytest.mark.slow
def test_reading_layouts_repeatedly_frees_nothing_twice(tmp_path: Path) -> None:
    source = in_order_of_films(tmp_path / "in.mov")
    for _ in range(20):
        assert probe(source).others[0]["layout"] == "6 channels (FC+FL+FR+SL+SR+LFE)"
        with av.open(str(source)) as opened:
            stream = opened.streams.audio[0]
            Speakers.of(stream)
            assert sum(frame.samples for frame in opened.decode(stream)) == 24_000


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_sound_whose_channels_have_no_names_is_carried_by_mp4(number: int, suffix: str, tmp_path: Path) -> None:
    layout = AudioLayout(f"{number}c").name
    source = clip_with_channels(tmp_path / f"in{suffix}", "pcm_s16le", layout)
    rest = pass_through(source, tmp_path / "out.mp4")
    assert (rest.dropped, rest.converted, rest.damage) == ([], [], None)
    with av.open(str(tmp_path / "out.mp4")) as result:
        stream = result.streams.audio[0]
        assert Speakers.of(stream).number == number
        assert stream.codec_context.name == "pcm_s16le"
        assert sum(frame.samples for frame in result.decode(stream)) == 24_000


@pytest.mark.parametrize(("suffix", "video"), [(".mxf", "mpeg2video"), (".wmv", "wmv2"), (".nut", "mpeg4")])
@pytest.mark.parametrize("target", TARGETS)
def test_sound_of_every_container_reaches_every_other(suffix: str, video: str, target: str, tmp_path: Path) -> None:
    source = clip_with_channels(tmp_path / f"in{suffix}", "pcm_s16le", "stereo", video=video)
    rest = pass_through(source, tmp_path / f"out{target}")
    assert rest.dropped == [] and rest.damage is None
    assert heard(tmp_path / f"out{target}") == tones("stereo")


@pytest.mark.parametrize(
    ("names", "layouts", "expected"),
    [
        (("FL", "FR", "LFE"), ("stereo", "3.0", "5.1"), "5.1"),
        (("FL", "FR", "FC", "BC"), ("quad", "5.1", "7.1"), "5.1"),
        (("FL", "FR", "FC", "LFE", "BC", "SL", "SR"), ("5.1", "7.1"), "7.1"),
        (("FL", "FR", "SL", "SR"), ("quad", "7.1"), "quad"),
        (("FL",), ("mono", "stereo"), "mono"),
        (("DL", "DR"), ("mono", "stereo"), "stereo"),
        (("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC"), ("stereo", "5.1", "7.1"), "5.1"),  # two mixed in
    ],
)
def test_the_smallest_layout_with_a_place_for_each_channel_is_taken(
    names: tuple[str, ...], layouts: tuple[str, ...], expected: str
) -> None:
    assert roomiest(Speakers(len(names), names), layouts) == expected


def test_channels_go_by_name_and_not_by_number() -> None:
    films = Speakers(6, ("FC", "FL", "FR", "SL", "SR", "LFE"))
    assert places(films, "5.1") == {"FC": "c0", "FL": "c1", "FR": "c2", "BL": "c3", "BR": "c4", "LFE": "c5"}
    assert places(films, "stereo") is None


def test_channels_without_a_speaker_are_refused() -> None:
    with pytest.raises(ValueError):
        Speakers(4, ("AMBI0", "AMBI1", "AMBI2", "AMBI3")).named()
    assert Speakers(4).named().names == ("FL", "FR", "BL", "BR")
