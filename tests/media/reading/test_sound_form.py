"""The form of sound is read from its packets, and changes are named."""

from pathlib import Path
from typing import Any

import av
import pytest
from channels import clip_with_channels

from sr4k.media.reading.sound_form import FormOfSound, SoundForm, form_of_frame, form_of_header, framed

STEREO = SoundForm("aac", profile=2, rate=48_000, channels=2)


def first_packet(path: Path) -> "av.Packet[Any]":
    with av.open(str(path)) as source:
        return next(packet for packet in source.demux(audio=0) if packet.size)


@pytest.mark.parametrize("codec", ["aac", "mp2", "libmp3lame", "ac3", "eac3"])
def test_the_codec_of_a_packet_is_read_from_its_beginning(codec: str, tmp_path: Path) -> None:
    form = form_of_frame(first_packet(clip_with_channels(tmp_path / "in.ts", codec, "stereo", seconds=0.1)))
    assert form is not None
    assert form.codec == {"libmp3lame": "mp3"}.get(codec, codec)
    assert form == (STEREO if codec == "aac" else SoundForm(form.codec))


def test_dts_is_known_by_its_beginning() -> None:
    assert form_of_frame(av.Packet(bytes.fromhex("7ffe800100000000"))) == SoundForm("dts")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xf1", b"\x21\x1a\x4f\xff\xff\xff\xff", b"\xff\xf1\x7c\x80\0\0\0", b"\xff\xfd\xf4\xc4\0\0"]
)
def test_bits_that_are_no_header_tell_nothing(data: bytes) -> None:
    assert form_of_frame(av.Packet(data)) is None


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("1190", STEREO),
        ("138856e500", SoundForm("aac", profile=2, rate=22_050, channels=1)),
        ("1780003e88", SoundForm("aac", profile=2, rate=125, channels=1)),
        ("11", None),
        ("17805dc0", None),
        ("1700", None),
    ],
)
def test_the_header_of_aac_is_read(header: str, form: SoundForm | None) -> None:
    assert form_of_header(bytes.fromhex(header)) == form


@pytest.mark.parametrize("form", [STEREO, SoundForm("aac", profile=1, rate=7350, channels=7)])
def test_a_packet_with_a_header_is_one_of_that_form(form: SoundForm) -> None:
    packet = framed(form, bytes(300))
    assert form_of_frame(av.Packet(packet)) == form
    assert (int.from_bytes(packet[3:6]) >> 5) & 0x1FFF == len(packet) == 307


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (SoundForm("mp2"), ("aac", "mp2")),
        (SoundForm("aac", 2, 22_050, 1), ("48000 Hz, 2 channels", "22050 Hz, 1 channel")),
        (SoundForm("aac", 2, 48_000, 1), ("2 channels", "1 channel")),
        (SoundForm("aac", 2, 48_000, 7), ("2 channels", "8 channels")),
        (SoundForm("aac", 1, 48_000, 2), ("AAC's object type 2", "AAC's object type 1")),
    ],
)
def test_a_change_is_named(after: SoundForm, words: tuple[str, str]) -> None:
    assert STEREO.change_to(after) == words


def forms_of(codec: str, folder: Path) -> FormOfSound:
    with av.open(str(clip_with_channels(folder / "in.ts", codec, "stereo", seconds=0.1))) as source:
        return FormOfSound(source.streams.audio[0].codec_context)


def told(forms: FormOfSound, *packets: bytes) -> list[SoundForm | None]:
    return [form for data in packets for _, form in forms.told(av.Packet(data))]


MP2, MP3 = bytes.fromhex("fffde4c400000000"), bytes.fromhex("fffbe4c400000000")
AAC, NOTHING = framed(STEREO, bytes(9)), bytes(9)


def test_a_packet_that_tells_nothing_has_the_form_of_the_one_before(tmp_path: Path) -> None:
    forms = forms_of("aac", tmp_path)
    assert told(forms, NOTHING, AAC, NOTHING) == [None, STEREO, STEREO]
    assert told(forms, MP2, MP2, MP2, NOTHING) == [SoundForm("mp2")] * 4
    assert (forms.declared, forms.unlike) == (STEREO, 0)


def test_another_form_counts_when_three_packets_in_a_row_have_it(tmp_path: Path) -> None:
    forms = forms_of("aac", tmp_path)
    assert told(forms, AAC, MP2, MP2, AAC, MP3, MP2, MP2, AAC) == [STEREO] * 3
    assert forms.unlike == 5
    assert told(forms, MP2, MP2) == []
    forms.drop_doubtful()
    assert forms.unlike == 7


def test_what_tells_nothing_among_packets_that_are_left_out_is_left_out_too(tmp_path: Path) -> None:
    forms = forms_of("aac", tmp_path)
    assert told(forms, AAC, NOTHING, MP2, NOTHING, NOTHING, MP3, NOTHING, AAC, NOTHING) == [STEREO] * 4
    assert forms.unlike == 5


def test_a_packet_larger_than_any_frame_is_left_out(tmp_path: Path) -> None:
    forms = forms_of("aac", tmp_path)
    assert told(forms, AAC, AAC + bytes(200_000), bytes(200_000), AAC) == [STEREO] * 2
    assert forms.unlike == 2


def test_a_header_that_names_the_wrong_codec_from_the_beginning_is_no_change(tmp_path: Path) -> None:
    forms = forms_of("mp2", tmp_path)
    assert told(forms, MP3, MP2) == [None, None]
    assert forms.declared is None
