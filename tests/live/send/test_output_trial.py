from dataclasses import replace
from pathlib import Path

import pytest

from sr4k.errors import OptionError
from sr4k.live.address import parse_target
from sr4k.live.send.output_trial import try_choices
from sr4k.live.settings import PlayoutSettings
from sr4k.media.writing.hardware import trouble_with

USUAL = PlayoutSettings(targets=(parse_target("a.mkv"),), sound=None)


def test_a_slate_that_is_no_picture_is_refused_before_there_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name, fault in (("none.png", "does not exist"), ("text.png", "can't be read as a picture")):
        with pytest.raises(OptionError, match=f"The slate .*{name} {fault}"):
            try_choices(replace(USUAL, slate=tmp_path / name))


def test_an_encoder_that_does_not_open_is_refused_before_there_is_a_source() -> None:
    missing = [kind for kind in ("nvenc", "qsv", "amf", "vaapi") if trouble_with(kind, "h264") is not None]
    for kind in missing:
        with pytest.raises(OptionError, match="encoder can't be opened here"):
            try_choices(replace(USUAL, encoder=kind))
    for options in ({"nope": "1"}, {"profile": "nope"}):
        with pytest.raises(OptionError, match="The h264 encoder"):
            try_choices(replace(USUAL, options=options))


def test_options_for_small_pictures_are_taken() -> None:
    try_choices(replace(USUAL, codec="hevc", options={"x265-params": "level-idc=3"}))  # up to 720x576


def test_the_usual_encoder_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr4k.live.send.output_trial.try_encoder", None)
    try_choices(USUAL)
