"""Tiles must make the picture that is made without them, bit for bit."""

from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from clips import MakeClip, luma_planes

from sr4k import Job, load_preset
from sr4k.engines import EngineSpec, create_engine, load_engine
from sr4k.engines.tiled import MOST_AT_ONCE, TiledEngine, is_too_large
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL, MARGIN

YUV, DEEP = Colour(), Colour(bits=10, sampling="444")


def planes_for(spec: EngineSpec, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Noise all over, margins as well: whatever a cell sees has to be there."""
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, shape, dtype=np.uint8).astype(spec.input_dtype) for shape in spec.input_shapes]


def inside(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return cells[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("engine", "model", "precision", "colour"),
    [
        *product(("nearest",), ("luma",), ("auto",), (YUV, None, DEEP)),
        *product(("openvino",), ("luma", "rcan2"), ("fp32",), (YUV, None, DEEP)),
        *product(("openvino",), ("luma", "luma-large", "rcan2"), ("int8",), (YUV, None)),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("size", "side"),
    [((140, 182), (24, 30)), ((98, 130), (20, 200)), ((60, 226), (100, 25)), ((44, 44), (3, 5))],
    ids=["grid", "rows", "columns", "less than what is seen"],
)
def test_bit_for_bit(
    engine: str, model: str, precision: Any, colour: Colour | None, size: tuple[int, int], side: tuple[int, int]
) -> None:
    spec = EngineSpec(model=model, height=size[0], width=size[1], colour=colour, precision=precision, threads=1)
    first, second = planes_for(spec), planes_for(spec, 1)
    with create_engine(engine, spec) as whole:
        expected = [inside(whole.infer(planes)) for planes in (first, second)]
    with TiledEngine(load_engine(engine), spec, side) as tiled:
        made = [inside(tiled.infer(planes)) for planes in (first, second)]
        assert tiled.describe()["tiles"] > 1
    assert all(np.array_equal(a, b) for a, b in zip(made, expected, strict=True))


def test_with_less_around_a_tile_it_is_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EngineSpec(model="rcan2", height=140, width=182, colour=Colour(), precision="fp32", threads=1)
    planes = planes_for(spec)
    with create_engine("openvino", spec) as whole:
        expected = inside(whole.infer(planes))
    # Of 27 pixels; what is beyond 20 seldom comes to a level, and whether it does is up to the CPU's roundings.
    short_sighted = SimpleNamespace(receptive_field=CELL * (MARGIN + 2))
    monkeypatch.setattr("sr4k.engines.tiled.catalogue", SimpleNamespace(figures=lambda _model: short_sighted))
    with TiledEngine(load_engine("openvino"), spec, (24, 30)) as tiled:
        assert not np.array_equal(inside(tiled.infer(planes)), expected)


def test_only_large_pictures_are_tiled() -> None:
    assert not is_too_large(EngineSpec(model="luma", height=2160, width=3840, colour=None))
    assert is_too_large(EngineSpec(model="luma", height=4320, width=7680, colour=None))
    assert is_too_large(EngineSpec(model="luma", height=2, width=MOST_AT_ONCE, colour=Colour()))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("pixels", ["yuv", "bgr"])
def test_jobs_tile_and_reuse_what_did_not_change(
    pixels: str, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_clip("in.mkv", size=(322, 242), frames=3, audio=False)
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="openvino", pixels=pixels)
    preset = preset.updated("encode", crf=0, preset="ultrafast")
    assert "tiles" not in Job(source, tmp_path / "whole.mkv", preset=preset).run().engine.as_dict()
    monkeypatch.setattr("sr4k.engines.tiled.MOST_AT_ONCE", 200 * 200)
    monkeypatch.setattr(TiledEngine.__init__, "__defaults__", ((50, 70),))
    assert Job(source, tmp_path / "tiled.mkv", preset=preset).run().engine.tiles == 4
    assert np.array_equal(luma_planes(tmp_path / "tiled.mkv"), luma_planes(tmp_path / "whole.mkv"))
