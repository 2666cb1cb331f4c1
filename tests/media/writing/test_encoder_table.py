"""The table of encoders against libav's own tables of options; no hardware is needed for that."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import pytest

from sr4k.media.options import EncoderKind
from sr4k.media.writing.encoder_table import (
    ENCODERS,
    HARDWARE,
    EncoderRow,
    live_options,
    quality_options,
    speed_options,
    usual_quality,
)

HERE = {key: row for key, row in ENCODERS.items() if row.name in av.codecs_available}
ROWS = pytest.mark.parametrize("row", HERE.values(), ids=lambda row: row.name)
RATE = 20_000_000


def options_of(name: str) -> dict[str, Any]:
    """What libav says of an encoder's options, by name; its own come before those of all encoders."""
    found = av.CodecContext.create(name, "w").supported_options
    return {option.name: option for option in (*found.generic, *found.private)}


def is_taken(option: Any, value: str) -> bool:
    """Whether an option of libav's takes a value: one of its names, or a number within its range."""
    choices = {choice.name for choice in option.choices or ()}
    number = re.fullmatch(r"(-?\d+(?:\.\d+)?)M?", value)
    if value in choices or number is None:
        return value in choices or option.type.name in ("STRING", "DICT", "FLAGS")
    return option.type.name in ("STRING", "DICT") or option.min <= float(number[1]) <= option.max


@ROWS
def test_libav_has_each_option_and_takes_its_values(row: EncoderRow) -> None:
    known = options_of(row.name)
    asked = [*live_options(row, RATE).items()]
    for crf in (row.crf[0], row.usual, row.crf[-1]):
        asked += quality_options(row, crf).items()
    asked += [(row.speed_option, speed) for speed in (*row.speeds, *row.others)]
    asked += speed_options(row, None).items()
    assert [(name, value) for name, value in asked if name not in known or not is_taken(known[name], value)] == []


@ROWS
def test_the_usual_quality_and_speed_are_among_those_that_it_takes(row: EncoderRow) -> None:
    assert {row.usual, usual_quality(row, None)} <= {*row.crf}
    assert row.speed in (None, *row.speeds)


@pytest.mark.parametrize("key", [key for key in HERE if key[0] in ("qsv", "amf")], ids="_".join)
def test_the_pixel_formats_are_those_that_libav_lists(key: tuple[EncoderKind, Any]) -> None:
    row = HERE[key]
    listed = {form.name for form in av.codec.Codec(row.name, "w").video_formats or ()}
    assert row.shallow in listed
    assert row.most_bits == 8 or row.deep in listed


@pytest.mark.parametrize("kind", HARDWARE)
def test_no_hardware_encoder_makes_b_frames_in_a_live_stream_and_each_makes_key_frames_on_request(
    kind: EncoderKind,
) -> None:
    for (each, _), row in ENCODERS.items():
        if each == kind:
            options = live_options(row, RATE)
            assert options.get("bf") == "0" or options.get("tune") == "ull"
            assert kind == "vaapi" or {"forced_idr", "forced-idr"} & {*options}
            assert options["maxrate"] == options["bufsize"] == str(RATE)


def test_the_scale_of_crf_ends_where_the_encoders_own_does() -> None:
    assert quality_options(ENCODERS["amf", "av1"], 63) == {"rc": "cqp", "qp_i": "252", "qp_p": "252", "qp_b": "252"}
    assert quality_options(ENCODERS["vaapi", "av1"], 1) == {"rc_mode": "CQP", "global_quality": "4"}
    assert quality_options(ENCODERS["qsv", "hevc"], None) == {"global_quality": "22"}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg to ask")
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_an_ffmpeg_with_vaapi_has_the_options_that_the_wheel_cant_be_asked_for(codec: Any) -> None:
    row = ENCODERS["vaapi", codec]
    command = ["ffmpeg", "-hide_banner", "-h", f"encoder={row.name}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "AVOptions" not in told:
        pytest.skip("this ffmpeg has no VAAPI")
    known = {*re.findall(r"^ +-(\w+) ", told, re.MULTILINE), *options_of("libx264")}  # its own, and those of all
    assert {*live_options(row, RATE), *quality_options(row, None), row.speed_option} <= known
    modes = set(re.findall(r"^ +(\w+) +\d+ +E", told, re.MULTILINE))
    assert {"CQP", "CBR"} <= modes


@pytest.mark.parametrize("kind", ["qsv", "amf", "nvenc"])
def test_the_options_that_the_docs_recommend_exist(kind: EncoderKind) -> None:
    text = (Path(__file__).parents[3] / "docs" / "encoders.md").read_text()
    (section,) = re.findall(rf"^## [^\n]*\(`{kind}`\)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    told = re.findall(r"(?:`|-e )([a-zA-Z_-]+)=(\w+)(?:`| )", section)
    assert len(told) >= 6
    tables = [options_of(row.name) for (each, _), row in ENCODERS.items() if each == kind]
    for name, value in told:
        assert any(name in table and is_taken(table[name], value) for table in tables), f"{name}={value}"
