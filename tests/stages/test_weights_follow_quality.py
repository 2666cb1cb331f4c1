"""The network's weights follow how compressed each frame's source is."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from infos import video_info
from skimage import data as pictures

from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.engines.base import joined
from sr4k.engines.grades import EngineOfEachGrade
from sr4k.media.decoded_picture import padded_format
from sr4k.models import zoo
from sr4k.models.colour import Colour
from sr4k.models.geometry import MARGIN, pad_planes
from sr4k.pipeline import Frame, FrameInfo
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.infer import Infer
from sr4k.stages.settings import InferSettings

SIDE = 96
WIDE = 512
"""Columns of a picture of three tiles."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights for sources of grade 0, 25 and 40."""
    folder, clean = tmp_path_factory.mktemp("weights"), zoo.load("luma")
    for grade, factor in ((0, 1.0), (25, 0.9), (40, 0.5)):
        weak = {key: array * np.float32(factor) for key, array in clean.weights.items()}
        zoo.save(folder, zoo.Model("luma", clean.arch, weak, grade=grade))
    return folder


def planes(width: int = SIDE, *, spot: bool = False) -> list[np.ndarray]:
    """A picture; ``spot``: with a change near its left edge."""
    rgb = pictures.astronaut()[:SIDE, :width].copy()
    rgb[40:50, 10:20] += np.uint8(9 * spot)
    return pad_planes(rgb[..., 1].copy(), np.stack([rgb[::2, ::2, 0], rgb[::2, ::2, 2]]))


def expected(folder: Path, quality: int, width: int = SIDE, *, spot: bool = False) -> np.ndarray:
    spec = EngineSpec(model="luma", height=SIDE, width=width, colour=Colour(), weights=folder, quality=quality)
    with create_engine("openvino", spec) as engine:
        return engine.infer(planes(width, spot=spot)).copy()


def inner(cells: np.ndarray) -> np.ndarray:
    """Sub-pixels without their margins, which tiles leave as they are."""
    return cells[MARGIN:-MARGIN, MARGIN:-MARGIN]


def run(
    settings: InferSettings, qualities: list[int], *, announced: int = 0, width: int = SIDE, spots: tuple[int, ...] = ()
) -> tuple[list[np.ndarray], dict[int, int] | None]:
    """Sub-pixels of the same picture from sources of these qualities, and the number of frames by grade.

    ``announced``: the quality in the stream's description; ``spots``: the frames whose picture has a spot.
    """
    stage = Infer(settings)
    form = padded_format(video_info(width=width, height=SIDE, colour=Colour(), quality=announced))
    buffers = HeapBuffers(stage.open(form))
    made = []
    try:
        for number, quality in enumerate(qualities):
            info = FrameInfo(pts=number, time_base=Fraction(1, 25), quality=quality)
            made += [
                joined(out.planes)
                for out in stage.process(Frame(tuple(planes(width, spot=number in spots)), info), buffers)
            ]
        made += [joined(out.planes) for out in stage.drain(buffers)]
        report = stage.report()
        assert report is not None
        return made, report.source_qualities
    finally:
        stage.close()


@pytest.mark.slow(seconds=1)
def test_each_frame_goes_through_the_weights_for_its_quality(weights: Path) -> None:
    settings = InferSettings(engine="openvino", model="luma", weights=weights, threads=1)
    made, frames = run(settings, [0, 0, 23, 25, 51, 0])
    for found, quality in zip(made, (0, 0, 25, 25, 40, 0), strict=True):
        assert np.array_equal(found, expected(weights, quality))
    assert frames == {0: 3, 25: 2, 40: 1}


@pytest.mark.slow(seconds=1)
def test_only_engines_of_qualities_that_frames_have_are_opened(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def counted(engine: Engine, activate: Callable[[Engine], Engine] = Engine.activate) -> Engine:
        opened.append(engine.spec.quality)
        return activate(engine)

    monkeypatch.setattr(Engine, "activate", counted)
    settings = InferSettings(engine="openvino", model="luma", weights=weights, threads=1)
    made, frames = run(settings, [38, 39, 23], announced=38)
    assert opened == [38, 23]
    assert frames == {40: 2, 25: 1}
    for found, quality in zip(made, (40, 40, 25), strict=True):
        assert np.array_equal(found, expected(weights, quality))


@pytest.mark.slow(seconds=1)
def test_tiles_that_change_go_through_the_weights_that_were_opened(weights: Path) -> None:
    settings = InferSettings(engine="openvino", model="luma", weights=weights, threads=1)
    made, frames = run(settings, [38, 38], announced=38, width=WIDE, spots=(1,))
    assert frames == {40: 2}
    for found, spot in zip(made, (False, True), strict=True):
        assert np.array_equal(inner(found), inner(expected(weights, 40, WIDE, spot=spot)))


def test_a_quality_that_is_given_counts_instead(weights: Path) -> None:
    settings = InferSettings(engine="openvino", model="luma", weights=weights, threads=1, source_quality=38)
    made, frames = run(settings, [0, 23])
    assert all(np.array_equal(found, expected(weights, 40)) for found in made)
    assert frames == {40: 2}


def test_a_network_with_one_set_of_weights_tells_no_qualities() -> None:
    _, frames = run(InferSettings(engine="openvino", model="rcan2", threads=1), [0, 30])
    assert frames is None


def test_few_engines_are_kept(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr4k.engines.grades._KEPT", 2)
    spec = EngineSpec(model="luma", height=SIDE, width=SIDE, colour=Colour(), weights=weights, threads=1)
    engines = EngineOfEachGrade(("openvino",), spec)
    first = engines.now
    for quality in (25, 40):
        assert engines.is_other(quality)
        engines.follow(quality)
    assert len(engines._engines) == 2
    assert not first._active
    engines.follow(0)
    assert np.array_equal(engines.now.infer(planes()), expected(weights, 0))
    engines.close()


def test_weights_of_the_nearest_grade_are_loaded(weights: Path) -> None:
    assert zoo.grades("luma", weights) == (0, 25, 40)
    found = [zoo.load("luma", weights, quality).grade for quality in (0, 12, 13, 32, 33, 51)]
    assert found == [0, 0, 25, 25, 40, 40]
    assert zoo.load("rcan2", None, 40).grade == 0
