"""Measuring encoders: what they cost and make, and their ratios at equal quality."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rig.drawn_scenes import CLIPS
from rig.encoders_report import as_markdown, equal_quality
from rig.encoding import Footage, encoded, quality
from sr4k.bench import machine
from sr4k.media.options import EncoderSettings


@pytest.fixture(scope="module")
def footage() -> Footage:
    noise = np.random.default_rng(1).normal(110, 20, (100, 100))
    frames = [np.full((144, 96), 128, np.uint8) for _ in range(5)]
    for number, planes in enumerate(frames):
        planes[:96] = noise[number : number + 96, :96]
    return Footage("noise", np.stack(frames), Fraction(25))


def row(crf: int, mbit_s: float, psnr: float, point: str = "superfast", cpu: float = 0.1) -> dict[str, Any]:
    about = {"part": "curves", "clip": "a", "point": point, "crf": crf, "frames": 5, "load": 1.0}
    return about | {"mbit_s": mbit_s, "PSNR": psnr, "VMAF": 100.0, "VMAF-NEG": 100.0, "cpu_s_a_frame": [cpu, 9.0]}


def test_a_better_quality_costs_bits_and_is_measured_as_better(footage: Footage) -> None:
    fine, coarse = (encoded(footage, EncoderSettings(crf=crf)) for crf in (10, 40))
    assert fine.bits > 2 * coarse.bits
    assert fine.cpu > 0
    better, worse = (quality(made, footage, 2) for made in (fine, coarse))
    assert better["PSNR"] > worse["PSNR"] + 5
    assert better["VMAF"] > worse["VMAF"]


def test_what_is_encoded_without_loss_is_the_footage(footage: Footage) -> None:
    assert quality(encoded(footage, EncoderSettings(crf=0)), footage, 2)["PSNR"] > 70


def test_ratios_are_read_at_equal_quality_where_a_measure_says_something() -> None:
    reference = [row(18, 8.0, 44.0), row(24, 4.0, 41.0)]
    half = [row(18, 8.0, 47.0, "half"), row(24, 4.0, 44.0, "half")]
    assert equal_quality(half, reference, "PSNR", "mbit_s") == pytest.approx(0.5)
    assert equal_quality(half, reference, "VMAF", "mbit_s") is None, "both are at the end of its scale"
    assert equal_quality(half[:1], reference, "PSNR", "mbit_s") is None, "one point is no curve"
    assert "| half | 0.50 | 0.50 |" in as_markdown([*reference, *half], "command", machine.describe())


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("name", CLIPS)
def test_drawn_clips_move(name: str) -> None:
    first, last = (CLIPS[name](number) for number in (0, 25))
    assert first.shape == (1080, 1920, 3)
    assert np.mean(first != last) > 0.001
