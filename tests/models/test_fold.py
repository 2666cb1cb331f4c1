"""Each step of folding is compared with the published network in float64, inside and at the border."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sr4k.models.architecture import RcanShape
from sr4k.models.colour import (
    ChromaLocation,
    Colour,
    Matrix,
    downsample_chroma,
    rgb_from_yuv,
    upsample_chroma,
    yuv_from_rgb,
)
from sr4k.models.fold import Weights, collapse_tail, fold_rgb, fold_rgb_head, fold_yuv
from sr4k.models.folded_network import Array, FoldedNetwork
from sr4k.models.geometry import CHROMA_PAD, MARGIN, PAD_AFTER, PAD_BEFORE

torch = pytest.importorskip("torch")
F = torch.nn.functional

from sr4k.models.execute import FoldedExecutor  # noqa: E402
from sr4k.models.rcan import Rcan  # noqa: E402

EXACT = 1e-9
EDGE = 4 * MARGIN
"""Width of the margin in output pixels."""
COLOURS = [Colour(m, r, c) for m, r, c in product(get_args(Matrix), (False, True), get_args(ChromaLocation))]
ARCH = RcanShape(groups=2, blocks=1, features=8)

planes = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


@pytest.fixture(scope="module")
def net() -> Rcan:
    torch.manual_seed(0)
    net = Rcan(ARCH).double()
    for p in net.parameters():
        p.requires_grad_(False)
    return net


def weights_of(net: Rcan) -> Weights:
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def published(net: Rcan, rgb: Array) -> Array:
    """Run the published network on a picture padded by replication, with the head's own zero padding cropped.

    (3, H, W) to (3, 2H + 16, 2W + 16): the margin is not cropped.
    """
    x = F.pad(torch.from_numpy(rgb)[None], (2 * CHROMA_PAD,) * 4, mode="replicate")
    features = net.head(net.sub_mean(x))[..., 1:-1, 1:-1]
    features = net.body(features) + features
    return net.add_mean(net.last(F.pixel_shuffle(net.up[0](features), 4)))[0].numpy()


def pad(plane: Array, before: int, after: int) -> Array:
    return np.pad(plane, [(0, 0)] * (plane.ndim - 2) + [(before, after)] * 2, mode="edge")


def run(network: FoldedNetwork, *inputs: Array) -> Array:
    """Return sub-pixels (channels, rows, columns) without the margin."""
    out = FoldedExecutor(network, dtype=torch.float64)(*(torch.from_numpy(x) for x in inputs))
    return out[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN].numpy()


def shuffled(cells: Array, r: int) -> Array:
    return F.pixel_shuffle(torch.from_numpy(cells)[None], r)[0].numpy()


def test_the_head_with_its_mean_shift_is_one_convolution(net: Rcan) -> None:
    rgb = torch.from_numpy(np.random.default_rng(1).uniform(0, 255, (1, 3, 12, 16)))
    head = fold_rgb_head(weights_of(net))
    unfolded = net.head(net.sub_mean(rgb))[..., 1:, 1:]  # without the row and column affected by zero padding
    folded = F.conv2d(rgb[..., 1:, 1:], torch.from_numpy(head.kernel), torch.from_numpy(head.bias), stride=2)
    assert (folded - unfolded).abs().max() < EXACT


def test_the_tail_is_one_5x5_convolution_but_for_the_outermost_pixel(net: Rcan) -> None:
    features = torch.from_numpy(np.random.default_rng(2).normal(0, 50, (1, ARCH.features, 7, 9)))
    tail = collapse_tail(ARCH, weights_of(net))
    assert tail.kernel.shape == (48, ARCH.features, 5, 5)
    folded = F.pixel_shuffle(
        F.conv2d(features, torch.from_numpy(tail.kernel), torch.from_numpy(tail.bias), padding=2), 4
    )
    unfolded = net.add_mean(net.last(F.pixel_shuffle(net.up[0](features), 4)))
    difference = (folded - unfolded).abs()
    assert difference[..., 1:-1, 1:-1].max() < EXACT
    assert difference.max() > EXACT, "the margin would not be needed"


@pytest.mark.slow(seconds=1)
@settings(max_examples=10)
@given(rng=planes, height=st.integers(1, 6), width=st.integers(1, 6))
def test_on_rgb_the_folded_network_is_the_published_one_up_to_the_border(
    net: Rcan, rng: np.random.Generator, height: int, width: int
) -> None:
    rgb = rng.uniform(0, 255, (3, 2 * height, 2 * width))
    folded = shuffled(run(fold_rgb(ARCH, weights_of(net)), pad(rgb, PAD_BEFORE, PAD_AFTER)[None]), 4)
    assert np.abs(folded - published(net, rgb)[:, EDGE:-EDGE, EDGE:-EDGE]).max() < EXACT


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    "colour", [*COLOURS, Colour(sampling="444"), Colour("bt2020", True, "topleft", 10, "444")], ids=str
)
@settings(max_examples=2)
@given(rng=planes, height=st.integers(1, 6), width=st.integers(1, 6))
def test_on_yuv_the_folded_network_is_conversion_network_and_conversion(
    net: Rcan, colour: Colour, rng: np.random.Generator, height: int, width: int
) -> None:
    whole = colour.sampling == "444"
    luma, chroma = (
        rng.uniform(0, 255, (2 * height, 2 * width)),
        rng.uniform(0, 255, (2, 2 * height, 2 * width) if whole else (2, height, width)),
    )

    to_rgb, rgb_offset = rgb_from_yuv(colour)
    margin = 2 * CHROMA_PAD  # so that chroma is interpolated in the padding as in the picture
    fine = (
        pad(chroma, margin, margin)
        if whole
        else upsample_chroma(pad(chroma, CHROMA_PAD, CHROMA_PAD), colour.chroma_location)
    )
    yuv = np.concatenate([pad(luma, margin, margin)[None], fine])
    rgb = np.einsum("ci,ihw->chw", to_rgb, yuv) + rgb_offset[:, None, None]
    features = net.head(net.sub_mean(torch.from_numpy(rgb)[None]))[..., 1:-1, 1:-1]
    features = net.body(features) + features
    upscaled = net.add_mean(net.last(F.pixel_shuffle(net.up[0](features), 4)))[0].numpy()
    to_yuv, yuv_offset = yuv_from_rgb(colour)
    expected = np.einsum("ic,chw->ihw", to_yuv, upscaled) + yuv_offset[:, None, None]
    expected_chroma = downsample_chroma(expected[1:], colour.chroma_location)

    cells = run(
        fold_yuv(ARCH, weights_of(net), colour),
        pad(luma, PAD_BEFORE, PAD_AFTER)[None, None],
        (pad(chroma, PAD_BEFORE, PAD_AFTER) if whole else pad(chroma, CHROMA_PAD, CHROMA_PAD))[None],
    )
    assert np.abs(shuffled(cells[:16], 4)[0] - expected[0, EDGE:-EDGE, EDGE:-EDGE]).max() < EXACT
    assert (
        np.abs(shuffled(cells[16:], 2) - expected_chroma[:, EDGE // 2 : -EDGE // 2, EDGE // 2 : -EDGE // 2]).max()
        < EXACT
    )


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("colour", COLOURS[:6])
@given(rgb=arrays(np.float64, (3, 5), elements=st.floats(0, 255)))
def test_colour_conversion_there_and_back_is_the_identity(colour: Colour, rgb: Array) -> None:
    forward, offset = yuv_from_rgb(colour)
    back, back_offset = rgb_from_yuv(colour)
    assert np.abs(back @ (forward @ rgb + offset[:, None]) + back_offset[:, None] - rgb).max() < EXACT


@pytest.mark.parametrize(
    ("colour", "rgb", "expected"),
    [
        (Colour("bt709"), (255, 255, 255), (235, 128, 128)),
        (Colour("bt709"), (255, 0, 0), (62.6, 102.3, 240)),
        (Colour("bt601"), (0, 255, 0), (144.6, 53.8, 34.2)),
        (Colour("bt601", full_range=True), (0, 0, 255), (29.1, 255.5, 107.3)),
        (Colour("bt2020"), (255, 0, 0), (73.5, 96.7, 240)),
        (Colour("bt2020", bits=10), (255, 0, 0), (294.1, 386.9, 960)),
        (Colour("bt709", full_range=True, bits=10), (255, 255, 255), (1023, 512, 512)),
    ],
)
def test_colour_bars_have_the_code_values_of_the_standards(
    colour: Colour, rgb: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    forward, offset = yuv_from_rgb(colour)
    assert (forward @ np.array(rgb) + offset).tolist() == pytest.approx(expected, abs=0.06)


def test_the_receptive_field_is_what_changes_when_a_pixel_does(net: Rcan) -> None:
    run_on = FoldedExecutor(fold_rgb(ARCH, weights_of(net)), dtype=torch.float64)
    black, dotted = torch.zeros(2, 1, 3, 85, 85, dtype=torch.float64)
    dotted[:, :, PAD_BEFORE + 40, PAD_BEFORE + 40] = 255
    reach = np.argwhere((run_on.picture(dotted) != run_on.picture(black)).numpy())[:, 2] // 2 - 40
    assert ARCH.receptive_field is not None
    assert 2 < np.abs(reach).max() <= ARCH.receptive_field
