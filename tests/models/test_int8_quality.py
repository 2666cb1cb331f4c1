"""int8 as deployed is compared with float and with exact integers."""

import numpy as np
import pytest
from skimage import data as photographs

from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.cpu import int8_of
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour, downsample_chroma, yuv_from_rgb
from sr4k.models.geometry import CHROMA_PAD, MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.quality.metrics import psnr
from sr4k.models.resize import imresize
from sr4k.quality.measure_networks import upscaler

MODELS = [name for name in catalogue.ARCHITECTURES if zoo.has_weights(name) and name not in catalogue.SHARED]
Planes = tuple[np.ndarray, np.ndarray]

IN_PAIRS = int8_of() == "pairs"

runs_int8 = pytest.mark.skipif(int8_of() is None, reason="this CPU runs float")


def padded(luma: np.ndarray, chroma: np.ndarray) -> Planes:
    beside = (CHROMA_PAD, CHROMA_PAD)
    planes = (
        np.pad(luma, (PAD_BEFORE, PAD_AFTER), mode="edge"),
        np.pad(chroma, ((0, 0), beside, beside), mode="edge"),
    )
    return np.ascontiguousarray(planes[0]), np.ascontiguousarray(planes[1])


def yuv_planes(rgb: np.ndarray) -> Planes:
    """Convert RGB to limited-range BT.709, 4:2:0 with chroma on the left."""
    matrix, offset = yuv_from_rgb(Colour())
    yuv = np.einsum("ic,hwc->ihw", matrix, rgb.astype(float)) + offset[:, None, None]
    return np.rint(yuv[0]).astype(np.uint8), np.rint(downsample_chroma(yuv[1:], "left")).astype(np.uint8)


def photograph() -> Planes:
    return padded(*yuv_planes(imresize(photographs.astronaut(), 128, 128)))


def run(model: str, precision: Precision, planes: Planes) -> np.ndarray:
    height, width = (side - PAD_BEFORE - PAD_AFTER for side in planes[0].shape)
    with create_engine(
        "openvino", EngineSpec(model=model, height=height, width=width, colour=Colour(), precision=precision)
    ) as engine:
        return engine.infer(planes)[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()


@pytest.mark.slow
@runs_int8
@pytest.mark.parametrize("model", MODELS)
def test_openvino_agrees_with_exact_integers(model: str) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import IntegerExecutor

    planes = photograph()
    exact = IntegerExecutor(zoo.load(model).quantized(Colour(), in_pairs=IN_PAIRS))(
        torch.from_numpy(planes[0])[None, None], torch.from_numpy(planes[1])[None]
    )
    inner = slice(MARGIN, -MARGIN)
    expected = exact[0, :, inner, inner].permute(1, 2, 0).round().clamp(0, 255).numpy()
    difference = np.abs(run(model, "int8", planes).astype(int) - expected)
    assert np.mean(difference <= 1) >= 0.999


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("model", MODELS)
def test_colours_do_not_drift(model: str) -> None:
    fp32, int8 = (run(model, precision, photograph()).astype(float) for precision in ("fp32", "int8"))
    for first, last in ((0, 16), (16, 20), (20, 24)):
        assert abs(int8[..., first:last].mean() - fp32[..., first:last].mean()) <= 0.1


@pytest.mark.slow(seconds=1)
@runs_int8
@pytest.mark.parametrize("model", MODELS)
def test_a_smooth_ramp_keeps_all_its_levels_in_order(model: str) -> None:
    """No banding: a ramp of one level per four pixels becomes one of one level per eight."""
    ramp = np.broadcast_to(np.repeat(np.arange(16, 236, dtype=np.uint8), 4), (64, 880))
    flat = np.full((2, 32, 440), 128, np.uint8)

    def upscaled(precision: Precision) -> np.ndarray:
        cells = run(model, precision, padded(np.ascontiguousarray(ramp), flat))
        rows = cells[8:-8, :, :16].reshape(16, 440, 4, 4).transpose(0, 2, 1, 3).reshape(64, 1760)
        return rows[:, 16:-16].astype(int)

    inside = upscaled("int8")
    levels, ideal = np.unique(inside), (np.arange(1760)[16:-16] - 3.5) / 8 + 16
    assert np.array_equal(levels, np.arange(levels[0], levels[-1] + 1)), "a level is missing"
    assert np.abs(inside - ideal).max() <= 2.5, "more than two levels and a rounding off"
    areas, of_float, of_ideal = (
        np.convolve(profile, np.full(16, 1 / 16), mode="valid")
        for profile in (inside.mean(axis=0), upscaled("fp32").mean(axis=0), ideal)
    )
    assert np.abs(areas - of_float).max() < 0.75, "rounding shifts an area"
    assert np.abs(areas - of_ideal).max() < 1.5, "an area is off"
    assert np.diff(areas).min() >= 0, "a later area is darker"


@pytest.mark.slow(seconds=1)
@runs_int8
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", ["rgb", "yuv"])
def test_rounding_loses_little_compared_with_the_gain_of_the_network(model: str, form: str) -> None:
    """The loss is measured against float, in dB, on a photograph whose full size is known."""
    if form == "rgb":
        truth = photographs.astronaut()
        low = imresize(truth, 256, 256)
        losses = [psnr(truth, upscaler(model, p)(low)) for p in ("fp32", "int8")]
    else:
        luma, chroma = yuv_planes(photographs.astronaut())
        small = padded(imresize(luma, 256, 256), np.stack([imresize(plane, 128, 128) for plane in chroma]))
        shuffled = [
            run(model, p, small)[..., :16].reshape(128, 128, 4, 4).transpose(0, 2, 1, 3).reshape(512, 512)
            for p in ("fp32", "int8")
        ]
        losses = [psnr(luma, made) for made in shuffled]
    assert losses[0] - losses[1] <= 0.1
