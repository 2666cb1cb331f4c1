"""Options of the encoder over a preset's."""

import pytest

from sr4k.configs import EncodePreset, load_preset
from sr4k.errors import OptionError
from sr4k.jobs.keywords import with_encoder


def given(preset: str, **options: object) -> EncodePreset:
    none = dict.fromkeys(("codec", "encoder", "crf", "bitrate", "speed"))
    return with_encoder(load_preset(preset), **{**none, "options": {}, **options}).encode  # type: ignore[arg-type]


def test_an_encoder_of_another_kind_drops_the_speed_that_the_preset_has_for_its_own() -> None:
    assert load_preset("quality").encode.preset == "medium"
    assert given("quality", encoder="amf").preset is None
    assert given("quality", encoder="software").preset == "medium"
    assert given("quality", encoder="auto").preset == "medium"
    assert given("quality", encoder="qsv", speed="slow").preset == "slow"


@pytest.mark.parametrize(
    ("preset", "options", "words"),
    [
        ("file", {"encoder": "amf", "speed": "medium"}, "h264_amf encoder takes the speed speed, balanced, quality"),
        ("file", {"encoder": "qsv", "crf": 52}, r"h264_qsv encoder takes a crf from 1 \(best\) to 51"),
        ("file", {"speed": "p4"}, "h264 encoder takes the speed ultrafast"),
        ("file", {"encoder": "videotoolbox"}, "encode.encoder"),
        ("file", {"codec": "h264_nvenc"}, "encode.codec"),
        ("live", {"encoder": "vaapi", "speed": "8"}, r"h264_vaapi encoder takes the speed 1 \(slowest\) to 7"),
    ],
)
def test_what_the_encoder_does_not_take_is_refused_with_what_it_takes(
    preset: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        given(preset, **options)


def test_on_a_gpu_either_encoders_speeds_are_taken() -> None:
    assert given("nvenc", speed="p7").preset == "p7"
    assert given("nvenc", speed="superfast").preset == "superfast"
