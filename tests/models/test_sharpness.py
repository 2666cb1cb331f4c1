"""Sharpness: how much of the crisp weights is mixed into those of the least error."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import MakeClip
from numpy.typing import NDArray
from skimage import data as photographs

from sr4k import Job, OptionError, Upscaler, load_preset
from sr4k.common.opencv import cv2
from sr4k.engines import EngineSpec, create_engine
from sr4k.models import zoo
from sr4k.models.geometry import MARGIN, PAD_AFTER, PAD_BEFORE, pixel_shuffle
from sr4k.models.resize import imresize
from sr4k.models.source_quality import GRADES

PICTURE = photographs.astronaut()[100:148, 100:164]


def upscaled(
    picture: NDArray[np.uint8], sharpness: int, precision: str, model: str = "luma", quality: int = 0
) -> NDArray[np.float64]:
    """Return the picture (H, W, 3) in twice its size, in float, not clipped."""
    height, width = picture.shape[:2]
    spec = EngineSpec(
        model=model, height=height, width=width, colour=None, precision=precision, sharpness=sharpness, threads=1,
        quality=quality,
    )  # fmt: skip
    padded = np.pad(picture, ((PAD_BEFORE, PAD_AFTER), (PAD_BEFORE, PAD_AFTER), (0, 0)), mode="edge")
    with create_engine("openvino", spec) as engine:
        cells = engine.infer([np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32)])
    inner = cells[MARGIN:-MARGIN, MARGIN:-MARGIN].transpose(2, 0, 1)
    return np.asarray(pixel_shuffle(inner, 4), np.float64).transpose(1, 2, 0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_without_crisp_weights_detail_grows_in_proportion_by_up_to_a_third(precision: str) -> None:
    faithful, half, sharp = (upscaled(PICTURE, sharpness, precision, "luma-large") for sharpness in (0, 50, 100))
    detail = (faithful - imresize(PICTURE, *faithful.shape[:2]))[8:-8, 8:-8]
    assert np.abs(detail).max() > 8
    least, highest = around(PICTURE)
    for made, factor, beyond in ((half, 0.18, 8), (sharp, 0.36, 4)):
        stronger = faithful.copy()
        stronger[8:-8, 8:-8] += factor * detail
        kept = np.clip(stronger, least - beyond, highest + beyond)
        assert np.abs(made - kept)[8:-8, 8:-8].max() < 0.7  # imresize rounds twice


def around(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the highest of the 14x14 pixels around the cell of each pixel of the upscaled picture."""
    cells = [picture[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    found = []
    for extreme, widen in ((np.minimum, cv2.erode), (np.maximum, cv2.dilate)):
        each = widen(extreme.reduce(cells), np.ones((7, 7), np.uint8))
        found.append(np.repeat(np.repeat(each, 4, axis=0), 4, axis=1).astype(np.float64))
    return found[0], found[1]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("model", "quality"), [("luma", 0), ("luma", 25), ("luma-fast", 0), ("luma-large", 30)])
def test_nothing_is_brighter_or_darker_than_the_source_around_it_by_more_than_the_sharpness_allows(
    model: str, quality: int, precision: str
) -> None:
    steps = np.full_like(PICTURE, 60)
    steps[:, 21:], steps[30:] = 180, 230
    for picture in (steps, PICTURE):
        for sharpness, beyond in ((25, 16), (50, 8), (100, 4)):
            made = upscaled(picture, sharpness, precision, model, quality)
            least, highest = around(picture)
            furthest = max((made - highest).max(), (least - made).max())
            assert furthest <= beyond + 1e-3
    assert furthest > 3.9  # it makes use of that


def edge(shrink: str) -> NDArray[np.uint8]:
    """Return an edge between levels 60 and 180, drawn antialiased and halved, RGB (48, 48, 3)."""
    rows, columns = np.mgrid[:768, :768]
    fine = np.where(columns + 0.4 * rows < 560, 60, 180).astype(np.float32)
    large = np.rint(cv2.resize(fine, (96, 96), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    gray = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA) if shrink == "area" else imresize(large, 48, 48)
    return np.repeat(gray[..., None], 3, axis=2)


def halo(shrink: str, sharpness: int, quality: int) -> float:
    return excess(upscaled(edge(shrink), sharpness, "int8", quality=quality)[8:-8, 8:-8])


def excess(picture: NDArray[Any]) -> float:
    """Return how far a picture of an edge goes beyond its two levels."""
    return float(max(60 - picture.min(), picture.max() - 180.0))


@pytest.mark.parametrize("shrink", ["area", "bicubic"])
@pytest.mark.parametrize("quality", GRADES)
def test_crisp_edges_have_smaller_halos_than_faithful_ones(shrink: str, quality: int) -> None:
    faithful, half, crisp = (halo(shrink, sharpness, quality) for sharpness in (0, 50, 100))
    own = excess(edge(shrink).astype(int))  # a bicubic leaves some in the source
    assert (own > 0) == (shrink == "bicubic")
    for made, beyond in ((half, 8), (crisp, 4)):  # lanczos's is 12
        assert made <= own + beyond + 1e-3
    assert crisp < min(half, faithful)
    assert half < faithful or shrink == "bicubic"


@pytest.mark.parametrize("quality", GRADES)
def test_crisp_weights_for_sources_of_every_quality_ship_and_are_mixed_in(quality: int) -> None:
    plain, half, crisp = (zoo.load("luma", quality=quality, sharpness=sharpness) for sharpness in (0, 50, 100))
    assert {plain.grade, half.grade, crisp.grade} == {quality}
    for kept in (plain, half, crisp):
        assert kept.calibration is not None and kept.int8_weights is not None
    assert not np.array_equal(crisp.weights["head.weight"], plain.weights["head.weight"])
    for key, array in half.weights.items():
        np.testing.assert_allclose(array, (plain.weights[key] + crisp.weights[key]) / 2, atol=1e-6)


def test_a_network_that_adds_nothing_to_a_bicubic_is_refused() -> None:
    with pytest.raises(OptionError, match="sharpness is for luma networks, which rcan2 isn't"):
        zoo.load("rcan2", sharpness=10)
    with pytest.raises(OptionError, match="sharpness can't be 10: it must be 0, because only luma networks"):
        Upscaler("rcan2", sharpness=10)
    preset = load_preset("file").updated("engine", sharpness=10)
    with pytest.raises(OptionError, match=r"engine\.sharpness of the preset can't be 10: it must be 0"):
        Upscaler("rcan2", preset=preset)


def test_weights_of_others_without_crisp_ones_get_more_detail(tmp_path: Path) -> None:
    plain = zoo.load("luma")
    zoo.save(tmp_path, plain)
    for source in (tmp_path, tmp_path / "luma.safetensors"):
        sharp = zoo.load("luma", source, sharpness=100)
        np.testing.assert_array_equal(sharp.weights["head.weight"], plain.weights["head.weight"])
        np.testing.assert_allclose(sharp.weights["tail.weight"], 1.36 * plain.weights["tail.weight"], rtol=1e-6)


def test_crisp_weights_are_saved_beside_the_others(tmp_path: Path) -> None:
    plain, crisp = zoo.load("luma"), zoo.load("luma", sharpness=100)
    zoo.save(tmp_path, plain)
    zoo.save(tmp_path, zoo.Model("luma", crisp.arch, crisp.weights, crisp.calibration, crisp.int8_weights, crisp=True))
    for sharpness, model in ((0, plain), (100, crisp)):
        found = zoo.load("luma", tmp_path, sharpness=sharpness)
        np.testing.assert_array_equal(found.weights["body.1.weight"], model.weights["body.1.weight"])


def test_crisp_weights_for_some_qualities_alone_are_refused_by_the_names_of_those_missing(tmp_path: Path) -> None:
    for grade in (0, 40):
        zoo.save(tmp_path, zoo.load("luma", quality=grade))
    crisp = zoo.load("luma", sharpness=100)
    zoo.save(tmp_path, zoo.Model("luma", crisp.arch, crisp.weights, crisp.calibration, crisp.int8_weights, crisp=True))
    missing = r"luma\.crisp\.q40\.safetensors, luma\.crisp\.q40\.int8\.safetensors are missing"
    for quality in (0, 40):  # whichever of them the source needs
        with pytest.raises(OptionError, match=missing):
            zoo.load("luma", tmp_path, quality=quality, sharpness=10)
        assert zoo.load("luma", tmp_path, quality=quality).grade == quality


def test_all_doors_make_the_same_picture(tmp_path: Path) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    with av.open(str(source), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = PICTURE.shape[1], PICTURE.shape[0], "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(PICTURE), format="rgb24")))
        container.mux(stream.encode(None))
    Job(source, target, preset=load_preset("file").updated("graph", mode="threads"), sharpness=60).run()
    with av.open(str(target)) as container:
        made = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with Upscaler(sharpness=60) as up, Upscaler() as plain:
        np.testing.assert_array_equal(made, up(PICTURE))
        assert np.abs(made.astype(int) - plain(PICTURE)).max() > 4


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [0, 40])
def test_a_job_tells_how_sharp_its_result_is(sharpness: int, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mp4", frames=2, audio=False)
    done = Job(clip, tmp_path / "out.mp4", model="luma-fast", sharpness=sharpness, workers="threads").run()
    assert done.engine is not None
    assert done.engine.as_dict().get("sharpness", 0) == sharpness
