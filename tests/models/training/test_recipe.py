"""What a recipe may say is checked when it is read, in one line that names the key."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from sr4k.common.setting_words import leaves
from sr4k.common.yaml_file import Section, validated
from sr4k.errors import OptionError
from sr4k.models import catalogue
from sr4k.models.training.recipe import Clips, Crisp, Int8, OldClips, Quality, Recipe, Teacher

SECTIONS: list[tuple[type[Section], dict[str, Any]]] = [
    (Clips, {}),
    (OldClips, {}),
    (Crisp, {}),
    (Quality, {}),
    (Teacher, {"models": ["luma"]}),
    (Int8, {}),
    (Recipe, {"model": "luma"}),
]


def numbers() -> Iterator[tuple[type[Section], dict[str, Any], str, bool]]:
    """Yield each key that takes numbers, with its section, and whether it takes several."""
    for section, needed in SECTIONS:
        for key, field in section.model_fields.items():
            if {*leaves(field.annotation)} & {int, float}:
                yield section, needed, key, isinstance(field.default, tuple)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seed": -1}, "seed: must be at least 0."),
        ({"learning_rate": math.inf}, "learning_rate: must be a finite number."),
        ({"clips": {"crf": [38, 0]}}, "clips.crf: must have the smaller number first: [0, 38]."),
        ({"quality": {"clips": {"crf": [38, 0]}}}, "quality.clips.crf: must have the smaller number first: [0, 38]."),
        ({"quality": {"clips": {"crf": [-5, 99]}}}, "quality.clips.crf.0: must be at least 0."),
        ({"quality": {"clips": {"patch": 128}}}, "quality.clips.patch: must be at most 112."),
        ({"clips": {"hiss": [5, 1]}}, "clips.hiss: must have the smaller number first: [1.0, 5.0]."),
        ({"clips": {"quantiser": [2, 40]}}, "clips.quantiser.1: must be at most 31."),
        ({"model": "rcan", "clips": {}}, "clips is for luma networks, which rcan isn't: remove it."),
        ({"model": "rcan", "quality": {}}, "quality is for luma networks, which rcan isn't: remove it."),
        ({"start_from": "luma-large"}, "start_from: luma-large has other layers than luma: name a network of the same"),
        ({"start_quality": 30}, "start_quality selects weights of start_from, where quality is not given: remove it"),
        ({"start_from": "rcan"}, "start_from: rcan has other layers than luma: name a network of the same"),
        ({"equivariant": True}, "equivariant is for luma-large alone: remove it."),
        ({"teacher": {"models": ["luma", "rcan-full"]}}, "teacher.models: rcan-full can't be a teacher: name luma, "),
        ({"clips": {"crf": [1, 2, 3]}}, "clips.crf: must be a list of at most 2."),
        ({"model": "mine"}, "model: must be one of luma, luma-fast, luma-large, luma-restore, rcan, rcan2: only these"),
    ],
)
def test_what_can_not_be_trained_is_told_with_its_key(given: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        validated(Recipe, {"model": "luma", **given}, "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml: {told}")
    assert "\n" not in str(caught.value)


def test_each_number_has_a_least_and_a_largest_value() -> None:
    for section, needed, key, is_list in numbers():
        for wrong in (-1, 10**30, math.inf, math.nan):
            with pytest.raises(ValidationError):
                section.model_validate({**needed, key: [wrong, wrong] if is_list else wrong})
                pytest.fail(f"{section.__name__}.{key} may be {wrong}")


def test_each_range_has_its_smaller_number_first() -> None:
    ranges = [
        (section, key, field.default)
        for section in (Clips, OldClips)
        for key, field in section.model_fields.items()
        if isinstance(field.default, tuple)
    ]
    assert len(ranges) == 9
    for section, key, (least, most) in ranges:
        section.model_validate({key: [most, most]})
        with pytest.raises(ValidationError, match="must have the smaller number first"):
            section.model_validate({key: [most, least]})


@pytest.mark.parametrize("name", [*catalogue.ARCHITECTURES])
def test_only_forms_that_can_be_trained_are(name: str) -> None:
    pytest.importorskip("torch")
    from sr4k.models.training.start import fresh
    from sr4k.models.training.symmetry import Symmetry

    if name in catalogue.EQUIVARIANT:
        Symmetry(fresh(catalogue.ARCHITECTURES[name])).project()
    if name in catalogue.TRAINABLE:
        assert {*fresh(catalogue.ARCHITECTURES[name]).state_dict()} >= {*catalogue.ARCHITECTURES[name].shapes()}
    else:
        with pytest.raises(ValidationError, match="only these networks can be trained"):
            Recipe(model=name)
