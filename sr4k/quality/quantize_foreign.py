"""Makes an int8 form of a network that the user brought, and measures what it costs and brings on pictures."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.whole_file import write_whole
from sr4k.engines.foreign_graph import read_network, sized
from sr4k.engines.foreign_int8 import Given, layers_in_int8, quantized
from sr4k.engines.openvino_library import shared_core
from sr4k.errors import EngineError, InputError, OptionError
from sr4k.models.colour import Colour, yuv_from_rgb
from sr4k.models.foreign import store
from sr4k.models.foreign.card import Card
from sr4k.models.quality.image_files import tell_left_out
from sr4k.models.quality.metrics import psnr, without_border
from sr4k.models.quality.testset import shrunk_pairs

_SIDE = 160
"""Rows and columns of the parts of pictures that are used, at most, before the network."""

_MOST = 32
"""Parts that activations are measured on at most."""

_TESTS = 12
"""Parts that the loss is measured on at most."""

_BEST = 100.0
"""PSNR that counts for equal pictures, in dB."""

_LEAST = 3
"""Least side of the parts, so that they have more than the border that isn't compared."""

_TIMES = 5

Picture = NDArray[np.float32]
"""(channels, rows, columns), 0 to 255."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture as the network gets it, and as it should become."""

    low: Picture
    high: Picture


@dataclass(frozen=True, slots=True)
class Quantized:
    """An int8 form of a network, and what it costs and brings.

    Attributes:
        name: that it was added under.
        loss: dB of PSNR that it costs against the float network, both compared with the pictures themselves.
        before, after: that PSNR in float and in int8, in dB.
        apart: PSNR between what both make, in dB.
        speed: how many times as fast as in float OpenVINO runs it on the CPU here.
        layers, of: number of layers in int8, and of all layers.
    """

    name: str
    loss: float
    before: float
    after: float
    apart: float
    speed: float
    layers: int
    of: int

    def in_words(self) -> Iterator[str]:
        """Yield lines for people."""
        yield f"{self.name}: {self.layers} of {self.of} layers in int8"
        yield f"  PSNR             {self.before:.2f} dB in float, {self.after:.2f} dB in int8: {self.loss:.3f} dB lost"
        yield f"  both results     {self.apart:.1f} dB PSNR apart"
        slower = "" if self.speed > 1 else ": no gain, as on CPUs that are not fast at int8"
        yield f"  speed            {self.speed:.2f} times that of float, on this CPU{slower}"


def quantize(foreign: store.Foreign, folders: list[Path], name: str, max_loss: float) -> Quantized:
    """Add the int8 form of a network to the user's networks.

    Half of the pictures tell how large activations become, the other half what int8 costs. The network gets them made
    smaller by its scale; one that keeps the size gets them as they are.

    Args:
        foreign: the network.
        folders: folders of pictures, searched recursively.
        name: of the int8 form, which a network can have, and which must be free.
        max_loss: PSNR that it may cost, in dB.

    Raises:
        InputError: there are too few pictures, or one can't be read.
        OptionError: the network can't be quantised, or loses more, or the name was taken meanwhile.
        EngineError: the quantiser fails.
        OutputError: it can't be written.
    """
    if foreign.card.precision == "int8":
        raise OptionError(f"{foreign.name} is in int8 already.")
    given, tests = _parts(foreign.card, folders)
    graph = foreign.path.read_bytes()
    runs = _Runs(foreign.card, graph)
    try:
        made = quantized(
            graph, [runs.given(part.low) for part in given], tests, lambda form, part: runs.score(form, part), max_loss
        )
    except (OptionError, EngineError) as err:
        raise type(err)(f"{foreign.name} can't be quantised: {err}") from err
    found = _measured(runs, graph, made, tests, name)
    if found.loss > max_loss:
        raise OptionError(
            f"{foreign.name} is not quantised: it would lose {found.loss:.3f} dB of PSNR, more than the {max_loss:g} "
            "dB that --max-loss allows."
        )
    if not found.layers:
        raise OptionError(
            f"{foreign.name} is not quantised: to lose no more than {max_loss:g} dB of PSNR (--max-loss) all of its "
            "layers have to stay in float."
        )
    _keep(foreign, name, made, found.loss)
    return found


def _measured(runs: "_Runs", graph: bytes, made: bytes, tests: list[Part], name: str) -> Quantized:
    before, after = (float(np.mean([runs.score(form, part) for part in tests])) for form in (graph, made))
    apart = float(np.mean([_psnr(runs.run(graph, part.low), runs.run(made, part.low)) for part in tests]))
    in_float, in_int8 = runs.seconds((graph, made), tests[0].low)
    return Quantized(name, before - after, before, after, apart, in_float / in_int8, *layers_in_int8(made))


def _keep(foreign: store.Foreign, name: str, made: bytes, loss: float) -> None:
    card = replace(
        foreign.card,
        precision="int8",
        weights_sha256="",
        loss=round(loss, 4),
        sha256=hashlib.sha256(made).hexdigest(),
        original=foreign.path.name,
        original_sha256=foreign.card.sha256,
    )
    with store.new_files() as folder:
        beside = folder / f"{name}{store.SUFFIX}"
        write_whole(beside, made)
        store.keep(name, beside, card)


def _parts(card: Card, folders: list[Path]) -> tuple[list[Part], list[Part]]:
    """Return parts of every other picture to measure activations on, and parts of the others to test with.

    A part has pixels left without the border that isn't compared.
    """
    draw = np.random.default_rng(0)
    found: tuple[list[Part], list[Part]] = ([], [])
    used, left_out, least = 0, 0, card.fixed or (-(-_LEAST // card.multiple) * card.multiple,) * 2
    for _, high, low in shrunk_pairs(folders, scale=card.scale):
        if low.shape[0] < least[0] or low.shape[1] < least[1]:
            left_out += 1
            continue
        rows, columns = card.fixed or (
            max(least[0], min(_SIDE, side) // card.multiple * card.multiple) for side in low.shape[:2]
        )
        for _ in range(2):
            y, x = (int(draw.integers(0, room + 1)) for room in (low.shape[0] - rows, low.shape[1] - columns))
            s = card.scale
            there = high[s * y : s * (y + rows), s * x : s * (x + columns)]
            found[used % 2].append(Part(_planes(card, low[y : y + rows, x : x + columns]), _planes(card, there)))
        used += 1
    if not found[1]:
        height, width = (card.scale * side for side in least)
        usable = f"{'one picture' if used else 'no picture'} of {width}x{height} pixels or more"
        raise InputError(f"{' and '.join(map(str, folders))}: at least two are needed, and there is {usable}.")
    tell_left_out(left_out, *(card.scale * side for side in least))
    return found[0][:_MOST], found[1][:_TESTS]


def _planes(card: Card, rgb: NDArray[np.uint8]) -> Picture:
    planes = np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32)
    if card.channels == 3:
        return planes
    matrix, _ = yuv_from_rgb(Colour("bt601", full_range=True))
    return np.asarray(np.einsum("c,chw->hw", matrix[0], planes)[None], np.float32)


class _Runs:
    """Runs forms of one network on pictures; the last few that were used stay compiled."""

    def __init__(self, card: Card, graph: bytes) -> None:
        self._card, self._core = card, shared_core()
        kind = read_network(self._core, graph).input(0).get_element_type()
        self._kind = np.dtype(np.float32) if kind.is_real() else kind.to_dtype()
        self._ready: dict[tuple[int, tuple[int, ...]], object] = {}

    def given(self, picture: Picture) -> Given:
        """Return a picture as the network takes it: in float32, or in integers if it is on integers."""
        card = self._card
        batch = (picture * np.float32(card.peak / 255))[None]
        given: Given = np.ascontiguousarray(batch if card.layout == "NCHW" else batch.transpose(0, 2, 3, 1))
        return given.astype(self._kind)

    def run(self, graph: bytes, picture: Picture) -> Picture:
        """Return what a form of the network makes of a picture, 0 to 255."""
        card = self._card
        request = self._request(graph, picture)
        kind = request.get_input_tensor(0).data.dtype  # type: ignore[attr-defined]
        request.infer([self.given(picture).astype(kind)])  # type: ignore[attr-defined]
        made = request.get_output_tensor(0).data[0]  # type: ignore[attr-defined]
        levels = made if card.layout == "NCHW" else made.transpose(2, 0, 1)
        return np.asarray(np.clip(np.rint(levels.astype(np.float32) * (255 / card.peak)), 0, 255), np.float32)

    def score(self, graph: bytes, part: Part) -> float:
        """Return the PSNR between what a form of the network makes of a part and what it should become."""
        made, high = (
            without_border(each.transpose(1, 2, 0), self._card.scale) for each in (self.run(graph, part.low), part.high)
        )
        return min(_BEST, psnr(made, high))

    def seconds(self, graphs: tuple[bytes, bytes], picture: Picture) -> tuple[float, float]:
        """Return the shortest time that each of two forms takes for a picture, both timed in turn."""
        times: list[list[float]] = [[], []]
        for _ in range(_TIMES):
            for graph, mine in zip(graphs, times, strict=True):
                request = self._request(graph, picture)
                began = time.perf_counter()
                request.infer()  # type: ignore[attr-defined]
                mine.append(time.perf_counter() - began)
        return min(times[0]), min(times[1])

    def _request(self, graph: bytes, picture: Picture) -> object:
        key = hash(graph), picture.shape
        if key not in self._ready:
            while len(self._ready) > 3:
                self._ready.pop(next(iter(self._ready)))
            network = sized(read_network(self._core, graph), self._card.layout, *picture.shape)
            config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            self._ready[key] = self._core.compile_model(network, "CPU", config).create_infer_request()
        return self._ready[key]


def _psnr(a: Picture, b: Picture) -> float:
    return min(_BEST, psnr(a, b))
