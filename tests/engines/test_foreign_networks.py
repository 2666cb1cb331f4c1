"""Networks that users bring give the picture that ONNX Runtime gives, on planes and on RGB, whole and in tiles."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from foreign_networks import convolutions, with_card
from numpy.typing import NDArray
from skimage import data as pictures

from sr4k.engines import EngineSpec, create_engine, load_engine
from sr4k.engines.base import Plane
from sr4k.engines.choose import engine_for
from sr4k.engines.foreign_tiles import ForeignTiles
from sr4k.engines.openvino_library import shared_core
from sr4k.engines.openvino_models import CPU, half_precisions
from sr4k.errors import EngineError, OptionError
from sr4k.models import catalogue
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour, downsample_chroma, rgb_from_yuv, upsample_chroma, yuv_from_rgb
from sr4k.models.foreign.store import keep_card
from sr4k.models.geometry import CHROMA_PAD, PAD_AFTER, PAD_BEFORE, pad_planes

Array = NDArray[Any]

RGB = np.ascontiguousarray(pictures.astronaut()[30:94, 180:260].transpose(2, 0, 1), np.float64)
"""A part of a photograph, (3, 64, 80)."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def spec_of(path: Path, colour: Colour | None, height: int = 64, width: int = 80, **more: Any) -> EngineSpec:
    with_card(path)
    return EngineSpec(model=str(path), height=height, width=width, colour=colour, **more)


def planes_of(rgb: Array, colour: Colour | None) -> list[Plane]:
    """Padded planes of a picture (3, H, W)."""
    if colour is None:
        around = (PAD_BEFORE, PAD_AFTER)
        return [np.pad(rgb, ((0, 0), around, around), mode="edge").astype(np.float32)]
    matrix, offset = yuv_from_rgb(colour)
    yuv = np.einsum("ic,chw->ihw", matrix, rgb) + offset[:, None, None]
    chroma = yuv[1:] if colour.sampling == "444" else downsample_chroma(yuv[1:], colour.chroma_location)
    levels = [np.rint(plane).clip(0, colour.peak).astype(colour.dtype) for plane in (yuv[0], chroma)]
    return pad_planes(*levels)


def expected(path: Path, planes: Sequence[Plane], colour: Colour | None, peak: float) -> Array:
    """What ONNX Runtime makes of planes, with the conversions in NumPy: RGB (3, H, W), or Y, U and V in a row."""
    height, width = (side - PAD_BEFORE - PAD_AFTER for side in planes[0].shape[-2:])
    inner = (..., slice(PAD_BEFORE, PAD_BEFORE + height), slice(PAD_BEFORE, PAD_BEFORE + width))
    session = onnxruntime.InferenceSession(path)
    if colour is None:
        (made,) = session.run(None, {"pixels": (planes[0][inner][None] * (peak / 255)).astype(np.float32)})
        return np.asarray(made[0] * (255 / peak))
    luma, chroma = planes[0][inner].astype(float), planes[1].astype(float)
    if colour.sampling == "444":
        fine = chroma[inner]
    else:
        inside = chroma[:, CHROMA_PAD:-CHROMA_PAD, CHROMA_PAD:-CHROMA_PAD]
        fine = upsample_chroma(inside, colour.chroma_location)
    matrix, offset = rgb_from_yuv(colour)
    rgb = np.einsum("ic,chw->ihw", matrix, np.concatenate([luma[None], fine])) + offset[:, None, None]
    (made,) = session.run(None, {"pixels": (rgb[None] * (peak / 255)).astype(np.float32)})
    matrix, offset = yuv_from_rgb(colour)
    yuv = np.einsum("ic,chw->ihw", matrix, made[0].astype(float) * (255 / peak)) + offset[:, None, None]
    small = downsample_chroma(yuv[1:], colour.chroma_location)
    return np.concatenate([yuv[0].ravel(), small.ravel()]).clip(0, colour.peak)


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize(
    ("scale", "peak", "colour"),
    [
        (2, 1, None),
        (1, 255, Colour()),
        (2, 1, Colour("bt601", True, "center")),
        (3, 1, Colour(chroma_location="topleft", bits=10)),
        (4, 255, Colour(sampling="444")),
    ],
    ids=str,
)
def test_the_picture_is_that_of_onnx_runtime(scale: int, peak: float, colour: Colour | None, tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", scale=scale, peak=peak)
    planes = planes_of(RGB, colour)
    with engine_for("openvino", spec_of(path, colour)) as engine:
        made = engine.infer(planes).copy()
        assert engine.describe()["precision"] == "fp32"
    wanted = expected(path, planes, colour, peak)
    assert made.size == wanted.size
    assert np.abs(made.ravel() - wanted.ravel()).max() <= (0.01 if colour is None else 0.51)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_type_of_16_bits_is_used_where_the_cpu_computes_in_it_and_refused_elsewhere(
    precision: Precision, tmp_path: Path
) -> None:
    spec = spec_of(convolutions(tmp_path / "net.onnx"), Colour())
    planes = planes_of(RGB, Colour())
    half = engine_for("openvino", replace(spec, precision=precision))
    if precision not in half_precisions(shared_core(), CPU):
        with pytest.raises(OptionError, match=f"does not compute in {precision} here .precision.: .*leave it out"):
            half.activate()
        return
    with half, engine_for("openvino", spec) as engine:
        apart = np.abs(half.infer(planes).astype(float) - engine.infer(planes))
        assert (half.describe()["precision"], engine.describe()["precision"]) == (precision, "fp32")
    assert apart.max() <= 3 and apart.mean() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("colour", [Colour(), None], ids=["yuv", "rgb"])
@pytest.mark.parametrize("scale", [1, 3])
def test_a_network_on_luma_leaves_colours_as_they_are(scale: int, colour: Colour | None, tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", scale=scale, channels=1)
    planes = planes_of(RGB, colour)
    spec = spec_of(path, colour)
    with engine_for("openvino", spec) as engine, engine_for("nearest", spec) as repeats:
        made, plain = engine.infer(planes).astype(float), repeats.infer(planes).astype(float)
    height, width = 64 * scale, 80 * scale
    if colour is None:
        chroma, plain_chroma = ((rgb - rgb.mean(0))[:, 8:-8, 8:-8] for rgb in (made, plain))
    else:
        chroma, plain_chroma = (block.ravel()[height * width :] for block in (made, plain))
    assert np.abs(chroma - plain_chroma).mean() < (1e-2 if scale == 1 else 2.5)
    assert not np.array_equal(made, plain)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("colour", [Colour(), Colour(sampling="444"), None], ids=str)
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_tiles_give_the_same_picture_bit_for_bit(colour: Colour | None, unshuffle: int, tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", unshuffle=unshuffle, layers=3)
    planes = planes_of(RGB, colour)
    spec = spec_of(path, colour, rounded=True)
    with ForeignTiles(load_engine("openvino"), spec) as whole:
        wanted = whole.infer(planes).copy()
    with ForeignTiles(load_engine("openvino"), spec, most_bytes=48 * 48 * 100) as tiles:
        made = tiles.infer(planes)
        assert tiles.describe()["tiles"] > 1 and "tiles" not in whole.describe()
        np.testing.assert_array_equal(made, wanted)


@pytest.mark.slow
def test_sides_that_the_network_does_not_take_are_made_longer(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", unshuffle=4)
    rgb = RGB[:, :62, :70]
    with engine_for("openvino", spec_of(path, None, 62, 70)) as engine:
        made = engine.infer(planes_of(rgb, None))
    longer = np.pad(rgb, ((0, 0), (0, 2), (0, 2)), mode="edge")
    wanted = expected(path, planes_of(longer, None), None, 1)[:, :124, :140]
    assert made.shape == wanted.shape
    np.testing.assert_allclose(made, wanted, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("colour", [Colour(), None], ids=["yuv", "rgb"])
def test_what_depends_on_the_whole_picture_is_blended_and_said(
    colour: Colour | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = convolutions(tmp_path / "net.onnx", everywhere=True)
    planes = planes_of(RGB, colour)
    spec = spec_of(path, colour, rounded=True)
    with ForeignTiles(load_engine("openvino"), spec) as whole:
        wanted = whole.infer(planes).astype(float)
    assert not caplog.records
    with ForeignTiles(load_engine("openvino"), spec, most_bytes=48 * 48 * 100) as tiles:
        made = tiles.infer(planes).astype(float)
    assert "are blended" in caplog.text
    assert 0 < np.abs(made - wanted).max() < 16


@pytest.mark.slow
def test_tiles_that_stay_are_not_computed_again(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx")
    spec = spec_of(path, Colour(), reuse=True)
    first, other = planes_of(RGB, Colour()), planes_of(RGB, Colour())
    other[0][PAD_BEFORE + 3, PAD_BEFORE + 5] ^= 64
    small = 48 * 48 * 100
    with ForeignTiles(load_engine("openvino"), replace(spec, reuse=False), most_bytes=small) as engine:
        wanted = engine.infer(other).copy()
        assert engine.computed is None
        tiles = engine.describe()["tiles"]
    with ForeignTiles(load_engine("openvino"), spec, most_bytes=small) as engine:
        engine.infer(first)
        engine.infer(first)
        assert engine.computed == 0.5
        np.testing.assert_array_equal(engine.infer(other), wanted)
        assert math.isclose(engine.computed, (tiles + 1) / (3 * tiles))


@pytest.mark.slow
def test_several_whole_pictures_are_computed_at_once_where_memory_allows_it_and_repeated_ones_once(
    tmp_path: Path,
) -> None:
    spec = spec_of(convolutions(tmp_path / "net.onnx"), Colour(), reuse=True, threads=2)
    kinds = [planes_of(RGB[:, :, ::step], Colour()) for step in (1, -1)]
    with engine_for("openvino", replace(spec, reuse=False)) as engine:
        wanted = [engine.infer(planes) for planes in kinds]
    order = [0, 0, 1, 1, 0, 0, 0, 1]
    found: list[Plane] = []
    with engine_for("openvino", spec) as engine:
        assert engine.in_flight == 3
        for k in order:
            if engine.pending == engine.in_flight:
                found.append(engine.result()[0].copy())
            engine.submit(kinds[k])
        found += [engine.result()[0].copy() for _ in range(engine.pending)]
        assert engine.computed == 4 / 8
    for k, made in zip(order, found, strict=True):
        np.testing.assert_array_equal(made, wanted[k])
    pictures_of_two = int(2 * spec.foreign.card.bytes_per_pixel * 64 * 80)  # type: ignore[union-attr]
    for most, in_flight in ((pictures_of_two, 3), (pictures_of_two - 100, 2)):
        assert ForeignTiles(load_engine("openvino"), spec, most_bytes=most).in_flight == in_flight
    assert ForeignTiles(load_engine("openvino"), replace(spec, prompt=True)).in_flight == 2


def test_engines_of_our_own_networks_refuse_others(tmp_path: Path) -> None:
    spec = spec_of(convolutions(tmp_path / "net.onnx"), None)
    for key, value in {"weights": tmp_path, "sharpness": 50}.items():
        with pytest.raises(OptionError, match="one of your networks"):
            engine_for("openvino", replace(spec, **{key: value}))
    with pytest.raises(OptionError, match="runs in float"), create_engine("openvino", replace(spec, precision="int8")):
        pass


def test_a_card_that_says_another_scale_is_told(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx")
    keep_card(replace(with_card(path), scale=3))
    spec = EngineSpec(model=str(path), height=64, width=80, colour=Colour())
    with pytest.raises(EngineError, match="not what its card says: remove the network and add it again"):
        engine_for("openvino", spec).activate()


@pytest.mark.parametrize("engine", ["openvino", "nearest"])
def test_the_card_is_read_before_the_first_picture_and_not_again(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(convolutions(tmp_path / "a.onnx"), Colour())
    with engine_for(engine, spec) as running:
        monkeypatch.setattr(catalogue, "foreign", lambda _name: pytest.fail("it is read for a picture"))
        running.infer(planes_of(RGB, Colour()))
