"""Networks fused into kernel launches."""

import pytest

from sr4k.engines.fuse import Launch, MapRef, PlaneRef, fuse
from sr4k.models import zoo
from sr4k.models.colour import Colour

COLOUR = Colour()


@pytest.mark.parametrize(
    ("model", "launches"),
    [
        ("luma", 7),  # head, four convolutions, tail with bicubic, chroma
        ("rcan2", 13),  # head, two groups of five, one more, tail with both skips
    ],
)
def test_a_launch_for_each_convolution_of_features_and_no_more(model: str, launches: int) -> None:
    assert len(fuse(zoo.load(model).quantized(COLOUR))) == launches
    assert len(fuse(zoo.load(model).folded(COLOUR))) == launches


def test_every_convolution_is_in_one_launch() -> None:
    network = zoo.load("rcan2").folded(COLOUR)
    assert sorted(term.conv for launch in fuse(network) for term in launch.terms) == sorted(network.convs)


@pytest.mark.parametrize("model", ["luma", "rcan2"])
def test_what_is_read_was_written_before(model: str) -> None:
    launches = fuse(zoo.load(model).quantized(COLOUR))
    for k, launch in enumerate(launches):
        for ref in (launch.skip, *(term.source for term in launch.terms)):
            if isinstance(ref, MapRef):
                assert ref.launch < k
                assert launches[ref.launch].scale == ref.scale


def test_the_second_convolution_of_a_block_adds_what_the_first_saw() -> None:
    launches = fuse(zoo.load("rcan2").quantized(COLOUR))
    first, second = launches[1], launches[2]
    assert first.relu
    assert not second.relu
    assert first.of_map is not None
    assert second.skip == first.of_map.source


def test_in_int8_the_rounding_is_the_relu_of_the_luma_networks() -> None:
    model = zoo.load("luma")
    assert not any(launch.relu for launch in fuse(model.quantized(COLOUR)))
    assert sum(launch.relu for launch in fuse(model.folded(COLOUR))) == 5


def test_the_tail_adds_what_reads_the_picture() -> None:
    tail = next(launch for launch in fuse(zoo.load("rcan2").quantized(COLOUR)) if launch.scale is None)
    assert isinstance(tail, Launch)
    assert [term.source for term in tail.of_planes] == [PlaneRef(0), PlaneRef(1)]
    assert tail.of_map is not None
