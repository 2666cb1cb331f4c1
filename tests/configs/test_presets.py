"""Preset files: the shipped ones are valid, and errors in others name the key."""

from pathlib import Path

import pytest

from sr4k.configs import STAGES, load_preset, preset_names
from sr4k.errors import OptionError
from sr4k.jobs.keywords import PresetKeywords

VALID = """
description: one process
graph:
  workers: {all: [decode, preprocess, infer, reconstruct, convert, encode]}
"""


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_are_valid(name: str) -> None:
    preset = load_preset(name)
    assert preset.description
    assert [s for stages in preset.graph.workers.values() for s in stages] == list(STAGES)


def test_decode_upscale_and_encode_have_processes_of_their_own_by_default() -> None:
    graph = load_preset("file").graph
    assert graph.mode == "processes"
    assert list(graph.workers) == ["decode", "upscale", "encode"]


def test_small_is_av1_and_another_codec_or_speed_takes_its_place() -> None:
    small = load_preset("small")
    assert (small.codec, small.encode.preset) == ("av1", "12")
    as_hevc = PresetKeywords(codec="hevc").over(small)
    assert (as_hevc.codec, as_hevc.encode.preset) == ("hevc", None)
    slower = PresetKeywords(speed="8").over(small)
    assert (slower.codec, slower.encode.preset) == ("av1", "8")


def test_no_shipped_preset_has_options_of_one_encoder_that_another_would_get() -> None:
    assert [name for name in preset_names() if load_preset(name).encode.options] == []


def test_a_users_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(VALID)
    assert list(load_preset(str(path)).graph.workers) == ["all"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (VALID + "encode: {crf: 99}", r"encode\.crf"),
        (VALID + "encode: {kodec: h264}", r"encode\.kodec"),
        (VALID + "engine: {precision: int4}", r"engine\.precision"),
        (VALID.replace("decode, ", ""), r"graph\.workers.*in this order: decode"),
        (VALID.replace("convert, encode", "encode, convert"), r"graph\.workers"),
        (VALID + "grpah: {}", "grpah"),
        ("description: no graph", "graph"),
        ("- just\n- a list", "must be a YAML mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_key_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(OptionError, match=words):
        load_preset(str(path))


def test_an_unknown_preset_is_told_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"no preset 'fiel'. Known: .*\bfile\b"):
        load_preset("fiel")


def test_options_change_single_keys() -> None:
    preset = load_preset("file").updated("encode", crf=23, preset=None)
    assert preset.encode.crf == 23
    assert preset.encode.preset == load_preset("file").encode.preset
    with pytest.raises(OptionError, match=r"option: encode\.codec"):
        preset.updated("encode", codec="vp9")


@pytest.mark.parametrize("slate", ["http://anna:hunter2222@h/a.png", " https://anna:hunter2222@h/a.png"])
def test_a_slate_that_is_a_url_is_refused_without_repeating_it(slate: str) -> None:
    with pytest.raises(OptionError, match="not a URL") as caught:
        load_preset("live").updated("live", slate=Path(slate))
    assert "hunter2222" not in str(caught.value)


@pytest.mark.parametrize("key", ["live: {slate: 'URL'}", "engine: {weights: 'URL'}"])
@pytest.mark.parametrize("url", ["http://anna:hunter2222@h/a.png", "rtm p://anna:hunter2222@h/a.png"])
def test_a_url_where_a_path_belongs_is_refused_without_repeating_it(key: str, url: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(VALID + key.replace("URL", url))
    with pytest.raises(OptionError, match="not a URL") as caught:
        load_preset(str(path))
    assert "hunter2222" not in str(caught.value)
    with pytest.raises(OptionError, match="can't be a URL") as caught:
        load_preset(url)
    assert "hunter2222" not in str(caught.value)
