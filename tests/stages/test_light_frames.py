"""Frames that there is little time for go through a smaller network."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from infos import video_info
from skimage import data as pictures

from sr4k.engines import Engine, EngineSpec, create_engine, grades
from sr4k.engines.base import joined
from sr4k.media.decoded_picture import padded_format
from sr4k.models.colour import Colour
from sr4k.models.geometry import MARGIN, pad_planes
from sr4k.pipeline import Buffers, Frame, FrameInfo
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.infer import Infer
from sr4k.stages.settings import InferSettings

HEIGHT, WIDTH = 96, 512


def planes(*, spot: bool = False) -> list[np.ndarray]:
    """A picture of several tiles; ``spot``: with a change near its left edge."""
    rgb = pictures.astronaut()[:HEIGHT, :WIDTH].copy()
    rgb[40:50, 10:20] += np.uint8(9 * spot)
    return pad_planes(rgb[..., 1].copy(), np.stack([rgb[::2, ::2, 0], rgb[::2, ::2, 2]]))


def expected(model: str, *, quality: int = 0, spot: bool = False) -> np.ndarray:
    spec = EngineSpec(model=model, height=HEIGHT, width=WIDTH, colour=Colour(), quality=quality, threads=1)
    with create_engine("openvino", spec) as engine:
        return inner(engine.infer(planes(spot=spot))).copy()


def inner(cells: np.ndarray) -> np.ndarray:
    """Sub-pixels without their margins, which tiles leave as they are."""
    return cells[MARGIN:-MARGIN, MARGIN:-MARGIN]


def run(settings: InferSettings, frames: list[tuple[bool, int, bool]]) -> list[np.ndarray]:
    """Sub-pixels of frames that are light or not, of sources of a quality, with a spot or without."""
    stage = Infer(settings)
    form = padded_format(video_info(width=WIDTH, height=HEIGHT, colour=Colour()))
    buffers = HeapBuffers(stage.open(form))
    made: list[np.ndarray] = []
    try:
        for number, (light, quality, spot) in enumerate(frames):
            info = FrameInfo(pts=number, time_base=Fraction(1, 25), light=light, quality=quality)
            made += [inner(joined(out.planes)) for out in stage.process(Frame(tuple(planes(spot=spot)), info), buffers)]
        return [*made, *(inner(joined(out.planes)) for out in stage.drain(buffers))]
    finally:
        stage.close()


@pytest.mark.slow(seconds=1)
def test_light_frames_go_through_the_smaller_network_and_the_others_do_not() -> None:
    settings = InferSettings(engine="openvino", model="luma", lighter="luma-fast", threads=1)
    full, light = (False, 0, False), (True, 0, False)
    made = run(settings, [full, light, light, full])
    large, small = expected("luma"), expected("luma-fast")
    assert not np.array_equal(large, small)
    assert all(np.array_equal(*pair) for pair in zip(made, [large, small, small, large], strict=True))


@pytest.mark.slow(seconds=1)
def test_its_weights_follow_the_quality_of_the_source_too() -> None:
    settings = InferSettings(engine="openvino", model="luma", lighter="luma-fast", threads=1)
    made = run(settings, [(True, 0, False), (True, 38, False)])
    for found, quality in zip(made, (0, 38), strict=True):
        assert np.array_equal(found, expected("luma-fast", quality=quality))


@pytest.mark.slow(seconds=1)
def test_tiles_that_change_go_through_the_smaller_network_too() -> None:
    settings = InferSettings(engine="openvino", model="luma", lighter="luma-fast", threads=1)
    made = run(settings, [(False, 0, False), (True, 0, False), (True, 0, True)])
    assert np.array_equal(made[2], expected("luma-fast", spot=True))


@pytest.mark.slow(seconds=1)
def test_no_live_frame_waits_for_an_engine_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def noted(name: str, spec: EngineSpec) -> Engine:
        started.append(f"{spec.model} {spec.width}")
        return create_engine(name, spec)

    monkeypatch.setattr(grades, "engine_for", noted)
    process = Infer.process

    def noting(self: Infer, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        started.append("frame")
        yield from process(self, frame, buffers)

    monkeypatch.setattr(Infer, "process", noting)
    settings = InferSettings(engine="openvino", model="luma", lighter="luma-fast", threads=1, live=True)
    made = run(settings, [(False, 0, False), (False, 0, True), (True, 0, False), (True, 0, True)])
    assert started.count("frame") == 4
    assert len(started[: started.index("frame")]) + 4 == len(started), "all engines start before"
    assert np.array_equal(made[1], expected("luma", spot=True))
    assert np.array_equal(made[3], expected("luma-fast", spot=True))


def test_without_a_smaller_network_all_frames_go_through_the_same() -> None:
    made = run(InferSettings(engine="openvino", model="luma", threads=1), [(False, 0, False), (True, 0, False)])
    assert np.array_equal(made[0], made[1])
