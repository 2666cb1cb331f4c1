"""Errors name what the caller can change: keywords of the class that raises them, not those of another door."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sr4k import Job, LiveJob, OptionError, Sr4kError, Upscaler, fast_enough
from sr4k.errors import KEYWORDS

ROOT = Path(__file__).parents[3]
OF_JOBS = {field.name for field in fields(Job)} | {"scale"}
OF_LIVE_JOBS = {field.name for field in fields(LiveJob)} | {"scale"}
OF_UPSCALERS = {*inspect.signature(Upscaler).parameters}

UPSCALING = [f"stages/{name}.py" for name in ("preprocess", "infer", "reconstruct", "second_pass", "convert", "reuse")]
UPSCALING += ["engines", "models/*.py", "sr4k/memory", "media/placement.py", "media/scaling.py", "media/options.py"]
"""What an `Upscaler` runs."""

FOR_PICTURES = ("engines/base.py", "pixels")
"""Said of files alone: an `Upscaler` refuses RGB before it comes to that, see below."""


def sources(*places: str) -> Iterator[Path]:
    for place in places:
        found = ROOT / place
        yield from sorted(found.rglob("*.py")) if found.is_dir() else sorted(ROOT.glob(place))


def called(*places: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the file and the first argument, if it is text, of all calls of a function."""
    for path in sources(*places):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                match node.args:
                    case [ast.Constant(value=str(text)), *_]:
                        yield str(path.relative_to(ROOT)), text


@pytest.mark.slow(seconds=1)
def test_options_that_errors_name_are_keywords_of_what_raises_them() -> None:
    everywhere = ["engines", "models", "media", "stages", "configs", "sr4k/jobs", "sr4k/memory"]
    named = set(called(*everywhere, name="option"))
    assert len(named) > 30
    of_choice = set(called("sr4k/jobs/fast_enough.py", name="option"))
    assert {name for _, name in of_choice} <= {*inspect.signature(fast_enough).parameters}
    assert {name for _, name in named - of_choice} <= OF_JOBS
    assert {name for _, name in called("live", name="option")} <= OF_LIVE_JOBS
    of_upscalers = set(called(*UPSCALING, name="option"))
    assert FOR_PICTURES in of_upscalers
    assert {name for _, name in of_upscalers - {FOR_PICTURES}} <= OF_UPSCALERS


def test_so_are_the_fields() -> None:
    texts = {text for _, text in called("sr4k/jobs", name="FieldError")}
    named = {name for text in texts for name in re.findall(r"\{([a-z][\w.]*)\}", text)}
    assert len(named) > 10
    assert {KEYWORDS.get(name, name) for name in named} <= OF_JOBS | OF_LIVE_JOBS


def test_no_error_of_a_library_names_an_option_of_the_command() -> None:
    for path in sources("engines", "media", "stages", "configs", "live", "sr4k/jobs", "sr4k/memory"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and path.name != "sources.py":  # which reads a command line
                said = " ".join(
                    str(part.value)
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )
                assert not re.search(r"(?<!install )--[a-z]|(?<![\w'-])-[a-z]\b", said), (path, said)


RGB = np.zeros((8, 8, 3), np.uint8)

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"preset": "medium"}, r"There is no preset 'medium'\. Known: [\w, ]+; or the path of a YAML file\.$"),
    ({"weights": 3}, "^weights can't be 3: it must be a path"),
    ({"weights": "nowhere"}, "nowhere does not exist: weights takes a folder or a checkpoint"),
    ({"weights": "https://me:secret@host/w"}, "^weights can't be a URL: use the path of a folder or of a checkpoint.$"),
    ({"source_quality": 99}, "^source_quality can't be 99: it must be at most 51"),
    ({"device": "gpu", "engine": "torch"}, "^device can't be gpu"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED, ids=str)
def test_an_upscaler_names_its_keywords(given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Upscaler(**given)


@pytest.mark.parametrize("given", [{"engine": "cuda"}, {"preset": "gpu"}], ids=str)
def test_an_engine_for_planes_says_what_to_call_instead(given: dict[str, Any]) -> None:
    pytest.importorskip("triton")
    with Upscaler(**given) as up:
        for frame in (RGB, RGB[..., 0]):
            with pytest.raises(OptionError, match="pass planes to yuv420, or use another engine") as refused:
                up(frame)
            assert "pixels" not in str(refused.value)
        with pytest.raises(OptionError, match="pass planes to yuv420"):
            up.tensor(RGB[None].transpose(0, 3, 1, 2))


def test_planes_of_an_odd_size_are_refused_by_its_keyword_and_rgb_has_it() -> None:
    y, u = np.zeros((6, 8), np.uint8), np.zeros((3, 4), np.uint8)
    with Upscaler(engine="nearest", size="15x11") as up:
        with pytest.raises(OptionError, match=r"^size can't be 15x11 for planes of 4:2:0: both sides must be even\.$"):
            up.yuv420(y, u, u)
        assert up(RGB).shape == (11, 11, 3)
    with Upscaler(engine="nearest", scale=1.5) as up:
        assert [plane.shape for plane in up.yuv420(y[:5, :7], u, u)] == [(8, 10), (4, 5), (4, 5)]
        assert up(RGB[:5, :7]).shape == (8, 11, 3)


OF_BOTH: list[tuple[dict[str, Any], str]] = [
    ({"weights": 3}, "^weights can't be 3: it must be a path"),
    ({"options": 3}, "^options can't be 3: it must be a mapping of names to values"),
    ({"devices": 3}, "^devices can't be 3: it must be a list of numbers"),
    ({"cpus": "4"}, "^cpus can't be 4: it must be a whole number"),
    ({"cpus": 0}, "^cpus can't be 0: at least one CPU is needed"),
]


@pytest.mark.parametrize(("given", "said"), OF_BOTH, ids=str)
def test_values_of_a_wrong_type_are_refused_by_the_name_of_their_keyword(given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Job("in.mp4", "out.mp4", **given)
    with pytest.raises(OptionError, match=said):
        LiveJob("pattern://64x48", "out.mkv", **given)


@pytest.mark.parametrize("name", ["overwrite", "resume", "strict"])
def test_what_is_on_or_off_is_not_text_which_would_always_be_on(name: str) -> None:
    with pytest.raises(OptionError, match=rf"^{name} can't be 'no': it must be True or False\.$"):
        Job("in.mp4", "out.mp4", **{name: "no"})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="sound can't be 'no': it must be True or False"):
        LiveJob("pattern://64x48", "out.mkv", sound="no")  # type: ignore[arg-type]


def test_so_is_a_slate() -> None:
    with pytest.raises(Sr4kError, match="slate can't be 3: it must be a path"):
        LiveJob("pattern://64x48", "out.mkv", slate=3)  # type: ignore[arg-type]
