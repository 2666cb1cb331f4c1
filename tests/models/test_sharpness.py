"""Sharpness: the detail that a luma network adds to a bicubic, made stronger."""

from pathlib import Path

import av
import numpy as np
import pytest
from skimage import data as photographs

from sr4k import Job, OptionError, Upscaler, load_preset
from sr4k.engines import EngineSpec, create_engine
from sr4k.models import zoo
from sr4k.models.folded_network import Array
from sr4k.models.geometry import MARGIN, PAD_AFTER, PAD_BEFORE, pixel_shuffle
from sr4k.models.resize import imresize

PICTURE = photographs.astronaut()[100:148, 100:164]


def upscaled(sharpness: int, precision: str) -> Array:
    """Return the picture of RGB in float, not clipped, (96, 128, 3)."""
    height, width = PICTURE.shape[:2]
    spec = EngineSpec(
        model="luma", height=height, width=width, colour=None, precision=precision, sharpness=sharpness, threads=1
    )
    padded = np.pad(PICTURE, ((PAD_BEFORE, PAD_AFTER), (PAD_BEFORE, PAD_AFTER), (0, 0)), mode="edge")
    with create_engine("openvino", spec) as engine:
        cells = engine.infer([np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32)])
    inner = cells[MARGIN:-MARGIN, MARGIN:-MARGIN].transpose(2, 0, 1)
    return np.asarray(pixel_shuffle(inner, 4), np.float64).transpose(1, 2, 0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_detail_grows_in_proportion_by_up_to_a_third(precision: str) -> None:
    faithful, half, sharp = (upscaled(sharpness, precision) for sharpness in (0, 50, 100))
    detail = (faithful - imresize(PICTURE, *faithful.shape[:2]))[8:-8, 8:-8]
    assert np.abs(detail).max() > 8
    for made, factor in ((half, 0.18), (sharp, 0.36)):
        stronger = (made - faithful)[8:-8, 8:-8]
        assert np.abs(stronger - factor * detail).max() < 0.7  # imresize rounds twice


def test_a_network_that_adds_nothing_to_a_bicubic_is_refused() -> None:
    with pytest.raises(OptionError, match="is for luma networks, which rcan2 isn't"):
        zoo.load("rcan2").sharpened(10)
    with pytest.raises(OptionError, match="sharpness can't be 10: it must be 0, because only luma networks"):
        Upscaler("rcan2", sharpness=10)


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
