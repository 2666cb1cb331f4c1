"""The folded luma networks are compared with a bicubic and with their trained form."""

import numpy as np
import pytest
from skimage import data as photographs

from sr4k.models.architecture import LumaShape
from sr4k.models.colour import ChromaLocation, Colour, Sampling, downsample_chroma, yuv_from_rgb
from sr4k.models.fold import Weights
from sr4k.models.fold_luma import fold_rgb, fold_yuv
from sr4k.models.folded_network import Array, FoldedNetwork
from sr4k.models.geometry import CHROMA_PAD, MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.quantize import Calibration, quantize
from sr4k.models.resize import imresize

torch = pytest.importorskip("torch")
F = torch.nn.functional

from sr4k.models.execute import FoldedExecutor, upscale  # noqa: E402
from sr4k.models.luma import LumaNet, luma_of  # noqa: E402

CELLS = LumaShape(features=8, convs=2)
PIXELS = LumaShape(features=8, convs=2, stride=1)
NAMES = ("body.0", "body.1", "tail")
INNER = slice(MARGIN, -MARGIN)


@pytest.fixture(scope="module", params=[CELLS, PIXELS], ids=["cells", "pixels"])
def net(request: pytest.FixtureRequest) -> LumaNet:
    torch.manual_seed(0)
    return LumaNet(request.param).double().requires_grad_(False)


def weights_of(net: LumaNet) -> Weights:
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


def silent(net: LumaNet) -> Weights:
    """Return weights that add nothing to the bicubic."""
    return {k: np.zeros_like(v) if k.startswith("tail") else v for k, v in weights_of(net).items()}


def pad(planes: Array, before: int, after: int) -> Array:
    return np.pad(planes, ((0, 0), (before, after), (before, after)), mode="edge")


def run(network: FoldedNetwork, *planes: Array) -> Array:
    out = FoldedExecutor(network, dtype=torch.float64)(*(torch.from_numpy(p)[None] for p in planes))
    return out[0, :, INNER, INNER].numpy()


def shuffled(cells: Array, r: int) -> Array:
    return F.pixel_shuffle(torch.from_numpy(cells)[None], r)[0].numpy()


def test_without_detail_rgb_is_bicubic_to_the_border(net: LumaNet) -> None:
    low = photographs.astronaut()[100:132, 100:140]
    cells = run(fold_rgb(net.arch, silent(net)), pad(low.transpose(2, 0, 1).astype(float), PAD_BEFORE, PAD_AFTER))
    ours = np.clip(np.rint(shuffled(cells, 4)), 0, 255).transpose(1, 2, 0)
    difference = np.abs(ours - imresize(low, 64, 80))[4:-4, 4:-4]
    assert difference.max() <= 2, "imresize rounds and clips between rows and columns"
    assert difference.mean() < 0.3


@pytest.mark.parametrize("location", ["left", "center", "topleft"])
@pytest.mark.parametrize("sampling", ["420", "444"])
def test_chroma_stays_where_it_sits(net: LumaNet, location: ChromaLocation, sampling: Sampling) -> None:
    """A gradient of colour, sampled at both sizes according to ``location``, is upscaled without a shift."""
    colour = Colour("bt709", chroma_location=location, sampling=sampling)

    def slope(height: int, width: int, unit: float) -> Array:
        y, x = ((np.arange(side) + 0.5) * unit for side in (height, width))
        rise = 100 + x[None, :] + 0.5 * y[:, None]
        return np.stack([rise, 200 - rise / 2])

    small, large = slope(24, 32, 1.0), downsample_chroma(slope(48, 64, 0.5), location)
    luma = np.full((1, 24, 32), 100.0)
    chroma = (
        pad(small, PAD_BEFORE, PAD_AFTER)
        if sampling == "444"
        else pad(downsample_chroma(small, location), CHROMA_PAD, CHROMA_PAD)
    )
    cells = run(fold_yuv(net.arch, silent(net), colour), pad(luma, PAD_BEFORE, PAD_AFTER), chroma)
    inside = slice(8, -8)
    assert np.abs(shuffled(cells[16:], 2) - large)[:, inside, inside].max() < 1e-9


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("beyond", [None, 3.0])
def test_luma_planes_of_any_range_and_depth_give_what_the_trained_network_gives(
    net: LumaNet, beyond: float | None, full_range: bool, bits: int
) -> None:
    rng = np.random.default_rng(0)
    colour = Colour(full_range=full_range, bits=bits)
    full = rng.uniform(0, 255, (1, 16, 20))
    unit = 2 ** (bits - 8)
    scale, black = ((2**bits - 1) / 255, 0.0) if full_range else (219 / 255 * unit, 16.0 * unit)
    bounded = bounded_by(net, beyond and beyond * unit / scale)
    expected = upscale(bounded, torch.from_numpy(full)[None])[0].numpy()
    chroma = pad(np.full((2, 8, 10), 128.0), CHROMA_PAD, CHROMA_PAD)
    folded = fold_yuv(net.arch, weights_of(net), colour, beyond)
    cells = run(folded, pad(black + scale * full, PAD_BEFORE, PAD_AFTER), chroma)
    assert np.abs(shuffled(cells[:16], 4) - (black + scale * expected)).max() < 1e-9


def bounded_by(net: LumaNet, beyond: float | None) -> LumaNet:
    """Return the same network with a bound."""
    bounded = LumaNet(net.arch, beyond).double().requires_grad_(False)
    bounded.load_state_dict(net.state_dict())
    return bounded


@pytest.mark.parametrize("colours", [1, 3])
def test_a_bounded_result_stays_within_the_range_of_the_picture_around_and_a_little_more(
    net: LumaNet, colours: int
) -> None:
    """Of a picture with single other pixels: in the cells around each, three on each side, more is allowed."""
    picture = np.full((colours, 32, 48), 100.0)
    picture[:, 12, 19], picture[-1, 23, 40] = 180, 20
    strong = {key: 8 * value if key.startswith("tail") else value for key, value in weights_of(net).items()}
    padded = pad(picture, PAD_BEFORE, PAD_AFTER)
    if colours == 1:
        planes, bounded, free = (
            [padded, np.full((2, 28, 36), 128.0)],
            *(fold_yuv(net.arch, strong, Colour(), beyond) for beyond in (2.0, None)),
        )
    else:
        planes, bounded, free = [padded], *(fold_rgb(net.arch, strong, beyond) for beyond in (2.0, None))
    made, wild = (shuffled(run(network, *planes)[: 16 * colours], 4) for network in (bounded, free))
    least, highest = np.full((2, *made.shape), 100.0)
    highest[:, 4 * 3 : 4 * 10, 4 * 6 : 4 * 13] = 180  # cells of rows 3 to 9, columns 6 to 12
    least[-1, 4 * 8 : 4 * 15, 4 * 17 : 4 * 24] = 20  # rows 8 to 14, columns 17 to 23
    np.testing.assert_array_equal(made, np.clip(wild, least - 2, highest + 2))
    assert (np.abs(made - wild) > 1).any()


def test_on_rgb_the_detail_is_that_of_the_luma_and_the_same_in_every_colour(net: LumaNet) -> None:
    rgb = np.random.default_rng(1).uniform(0, 255, (3, 16, 20))
    padded = pad(rgb, PAD_BEFORE, PAD_AFTER)
    made, plain = (shuffled(run(fold_rgb(net.arch, w), padded), 4) for w in (weights_of(net), silent(net)))
    detail = made - plain
    assert np.abs(detail - detail[0]).max() < 1e-9
    luma = upscale(net, luma_of(torch.from_numpy(rgb)[None]))[0, 0].numpy()
    assert np.abs(luma_of(torch.from_numpy(made)[None])[0, 0].numpy() - luma).max() < 1e-9


def test_the_integers_are_the_same_whatever_the_colour(net: LumaNet) -> None:
    """The network that is fine-tuned for int8 on RGB is therefore the one that runs on video."""
    calibration = Calibration({f"layer.{k}": np.linspace(0.01, 0.02, 8) for k in range(3)}, dict.fromkeys(NAMES, 127.0))

    def integers(network: FoldedNetwork, name: str) -> Array:
        quantized = quantize(network, calibration)
        return np.rint(quantized.network.convs[name].kernel / quantized.weight_scales[name][:, None, None, None])

    forms = [fold_yuv(net.arch, weights_of(net), Colour("bt2020", full)) for full in (False, True)]
    for name in ("head", *NAMES):
        assert np.array_equal(*(integers(form, name) for form in forms))
    on_rgb = integers(fold_rgb(net.arch, weights_of(net)), "tail")
    assert np.array_equal(on_rgb, np.tile(integers(forms[0], "tail"), (3, 1, 1, 1)))


def test_the_trained_network_is_its_layers_one_after_another(net: LumaNet) -> None:
    """The layers are written out in PyTorch and run on a picture with a wide border."""
    picture = torch.from_numpy(np.random.default_rng(3).uniform(0, 255, (1, 1, 16, 20)))
    wide = F.pad(picture, (24, 24, 24, 24), mode="replicate")
    x = F.pad(wide / 255 - 0.5, (1, 0, 1, 0)) if net.arch.stride == 2 else F.pad(wide / 255 - 0.5, (1, 1, 1, 1))
    x = F.relu(F.conv2d(x, net.head.weight, net.head.bias, stride=net.arch.stride))
    for conv in net.body:
        x = F.relu(F.conv2d(x, conv.weight, conv.bias, padding=1))
    detail = F.pixel_shuffle(F.conv2d(x, net.tail.weight, net.tail.bias, padding=1), net.arch.shuffle)
    smooth = F.interpolate(wide, scale_factor=2, mode="bicubic", antialias=True)  # antialias: a = -0.5
    expected = (smooth + 255 * detail)[..., 48:-48, 48:-48]
    assert (upscale(net, picture) - expected).abs().max() < 1e-9


def test_the_receptive_field_is_what_changes_when_a_pixel_does(net: LumaNet) -> None:
    loud = {name: np.abs(array) + 0.1 for name, array in weights_of(net).items()}
    run_on = FoldedExecutor(fold_rgb(net.arch, loud), dtype=torch.float64)
    reaches = []
    for at in (20, 21):  # either side of a cell
        white, dotted = torch.full((2, 1, 3, 71, 71), 255.0, dtype=torch.float64)
        dotted[:, :, PAD_BEFORE + at, PAD_BEFORE + at] = 200
        rows = np.argwhere((run_on.picture(dotted) != run_on.picture(white)).numpy())[:, 2] // 2
        reaches.append(np.abs(rows - at).max())
    assert max(reaches) == net.arch.receptive_field


@pytest.mark.parametrize(("stride", "convs"), [(2, 4), (1, 8)])
def test_more_layers_than_the_margin_allows_are_refused(stride: int, convs: int) -> None:
    def folded(convs: int) -> FoldedNetwork:
        net = LumaNet(LumaShape(features=2, convs=convs, stride=stride))
        return fold_rgb(net.arch, {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()})

    folded(convs)
    with pytest.raises(ValueError, match="margin"):
        folded(convs + 1)


def test_yuv_of_gray_stays_gray(net: LumaNet) -> None:
    forward, offset = yuv_from_rgb(Colour())
    assert np.allclose(forward[1:].sum(axis=1), 0) and np.allclose(offset[1:], 128)
    chroma = pad(np.full((2, 8, 10), 128.0), CHROMA_PAD, CHROMA_PAD)
    luma = np.random.default_rng(2).uniform(16, 235, (1, 16, 20))
    cells = run(fold_yuv(net.arch, weights_of(net), Colour()), pad(luma, PAD_BEFORE, PAD_AFTER), chroma)
    assert np.abs(cells[16:] - 128).max() < 1e-9
