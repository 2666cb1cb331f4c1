from dataclasses import replace

import numpy as np
import pytest

from sr4k.models import zoo
from sr4k.models.cell_input import on_cells, reads_cells
from sr4k.models.colour import Colour
from sr4k.models.int8_pairs import in_pairs_that_fit
from sr4k.models.quantize import QuantizedNetwork, equalise

SETS = [("luma", 0), ("luma", 25), ("luma-fast", 0), ("luma-large", 0), ("luma-restore", 0), ("rcan2", 0)]


def as_read(quantized: QuantizedNetwork, name: str) -> np.ndarray:
    """Return the integers (out, in, height, width) as OpenVINO reads them on a CPU."""
    conv, steps = quantized.network.convs[name], quantized.weight_scales[name]
    whole = replace(conv, kernel=np.rint(conv.kernel / steps[:, None, None, None]))
    return on_cells(whole).kernel if conv.codes and reads_cells(quantized.network) else whole.kernel


def extremes(quantized: QuantizedNetwork) -> tuple[int, int]:
    """Return the least and the largest sum of two neighbouring channels' products with bytes."""
    sums = []
    for name in quantized.network.quantised:
        products = np.multiply.outer(as_read(quantized, name), [0, 255])
        least, largest = products.min(-1), products.max(-1)
        pairs = range(0, least.shape[1], 2)
        sums += [np.add.reduceat(each, pairs, axis=1) for each in (least, largest)]
    return int(min(each.min() for each in sums)), int(max(each.max() for each in sums))


@pytest.mark.parametrize(("model", "quality"), SETS)
def test_no_pair_of_products_leaves_16_bits(model: str, quality: int) -> None:
    least, largest = extremes(zoo.load(model, quality=quality).quantized(Colour(), in_pairs=True))
    assert least >= -(2**15)
    assert largest < 2**15


def test_those_of_the_usual_weights_do() -> None:
    assert extremes(zoo.load("luma").quantized(Colour()))[1] >= 2**15


@pytest.mark.parametrize(("model", "quality"), SETS)
def test_few_steps_grow_and_only_a_little(model: str, quality: int) -> None:
    loaded = zoo.load(model, quality=quality)
    usual, paired = (loaded.quantized(Colour(), in_pairs=in_pairs).weight_scales for in_pairs in (False, True))
    grown = np.concatenate([np.sort(paired[name]) / np.sort(usual[name]) for name in usual])
    assert grown.min() >= 1 - 1e-9
    assert grown.mean() < 1.1
    assert grown.max() <= 2


@pytest.mark.parametrize("model", ["luma", "rcan2"])
def test_another_order_of_channels_is_the_same_function(model: str) -> None:
    torch = pytest.importorskip("torch")
    from sr4k.models.execute import FoldedExecutor

    loaded = zoo.load(model)
    assert loaded.calibration is not None
    network = equalise(loaded.folded(None), loaded.calibration.gains)
    means = {name: np.arange(network.convs[name].kernel.shape[1]) + 0.0 for name in network.quantised}
    ordered, moved = in_pairs_that_fit(network, means)
    picture = 255 * torch.from_numpy(np.random.default_rng(0).random((1, 3, 45, 53)))
    made, expected = (FoldedExecutor(each, dtype=torch.float64)(picture) for each in (ordered, network))
    assert torch.allclose(made, expected, rtol=0, atol=1e-9)
    assert all(sorted(moved[name]) == list(means[name]) for name in means)
    assert any(list(moved[name]) != list(means[name]) for name in means)
