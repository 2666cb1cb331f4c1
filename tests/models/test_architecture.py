import pytest

from sr4k.models import catalogue, zoo
from sr4k.models.architecture import LumaShape, RcanShape
from sr4k.models.colour import Colour
from sr4k.models.geometry import CELL_OUT

CARD_UNIT = 0.45e9
"""Multiply-accumulates, at 1080p, in one unit of the model card's column 'Flops(G)'."""


def bias_additions(arch: RcanShape, height: int, width: int) -> int:
    """Count the additions of biases in the SR4K form, which some tools add to the multiply-accumulates."""
    cells, pixels = height * width // arch.stride**2, height * width
    shifts = 3 * pixels + 3 * pixels * arch.scale**2 if arch.mean_shift else 0
    of_a_cell = arch.features * (1 + arch.body_convs + CELL_OUT**2)
    return of_a_cell * cells + 3 * pixels * arch.scale**2 + shifts


def shape(name: str) -> RcanShape:
    found = catalogue.architecture(name)
    assert isinstance(found, RcanShape)
    return found


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("rcan", 297_723),
        ("rcan2", 63_547),
        ("rcan-basicsr", 297_699),
        ("rcan-full", 15_444_667),
        ("rcan-full-x3", 15_629_307),
        ("rcan-full-x4", 15_592_379),
    ],
)
def test_the_family_has_the_published_sizes(name: str, parameters: int) -> None:
    assert catalogue.architecture(name).parameters() == parameters


def test_the_card_states_the_same_costs() -> None:
    assert shape("rcan2").macs(1080, 1920) / CARD_UNIT == pytest.approx(80.331, abs=5e-4)
    assert shape("rcan-basicsr").macs(1080, 1920) / CARD_UNIT == pytest.approx(356.659, abs=5e-4)
    with_biases = shape("rcan").macs(1080, 1920) + bias_additions(shape("rcan"), 1080, 1920)
    assert with_biases / CARD_UNIT == pytest.approx(358.207, abs=5e-4), "this row of the card counts biases as well"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rcan", "rcan2", "rcan-basicsr", "rcan-full", "rcan-full-x3", "rcan-full-x4"])
def test_the_torch_networks_have_the_parameters_that_are_counted(name: str) -> None:
    rcan = pytest.importorskip("sr4k.models.rcan")
    made = rcan.Rcan(shape(name)).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in made.items()} == shape(name).shapes()


@pytest.mark.parametrize("stride", [1, 2])
def test_the_torch_luma_network_has_the_parameters_that_are_counted(stride: int) -> None:
    luma = pytest.importorskip("sr4k.models.luma")
    small = LumaShape(features=8, convs=2, stride=stride)
    made = luma.LumaNet(small).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in made.items()} == small.shapes()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_papers_network_upscales_by_its_scale(scale: int) -> None:
    rcan = pytest.importorskip("sr4k.models.rcan")
    import torch

    arch = RcanShape(groups=1, blocks=1, features=16, reduction=4, stride=1, scale=scale)
    with torch.no_grad():
        assert rcan.Rcan(arch)(torch.zeros(1, 3, 5, 7)).shape == (1, 3, 5 * scale, 7 * scale)


def test_folding_saves_two_fifths_of_the_work() -> None:
    assert zoo.load("rcan2").folded(Colour()).macs(1080, 1920) < 0.6 * shape("rcan2").macs(1080, 1920)


def test_the_default_costs_no_more_than_the_published_rcan2() -> None:
    """The default is counted in its folded form, as deployed."""
    ours = zoo.load(catalogue.DEFAULT).folded(Colour()).macs(1080, 1920)
    assert ours <= catalogue.architecture("rcan2").macs(1080, 1920)
    assert ours == catalogue.architecture(catalogue.DEFAULT).macs(1080, 1920)
