import pytest

from sr4k.models.architecture import RCAN2


def test_rcan2_has_the_published_size_and_cost() -> None:
    assert RCAN2.parameters() == 63_547
    assert RCAN2.macs(1080, 1920) / 0.45e9 == pytest.approx(80.331, abs=5e-4)


def test_the_torch_network_has_the_parameters_that_the_description_counts() -> None:
    rcan = pytest.importorskip("sr4k.models.rcan")
    assert sum(p.numel() for p in rcan.Rcan(RCAN2).parameters()) == RCAN2.parameters()


def test_folding_halves_the_work() -> None:
    assert RCAN2.folded_macs(1080, 1920) < 0.51 * RCAN2.macs(1080, 1920)
