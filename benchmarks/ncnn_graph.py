"""Run a folded int8 network in ncnn, with the same integers and scales: write its .param and .bin files.

ncnn quantizes to -127..127, never to -128. So the output of a ReLU is shifted by 127 instead of 128: zeros stay exact,
and the highest of its 256 steps is lost. Between two int8 convolutions, the first one requantizes without going through
float.

Inputs are int8, code values minus 128: an int8 head reads them as they are, and for float convolutions the 128 is in
the biases. Outputs are sub-pixels in float, neither rounded nor interleaved, which is less work than the engine does.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from extras import required
from numpy.typing import ArrayLike, NDArray

from sr4k.models.geometry import CELL, CHROMA_PAD, MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.quantize import OFFSET, QuantizedNetwork

ncnn, torch = required("ncnn"), required("torch")
IntegerExecutor = required("sr4k.models.execute").IntegerExecutor

MAGIC = "7767517"
"""First line of a .param file."""

INT8, FLOAT32 = (0x000D4B38).to_bytes(4, "little"), bytes(4)
"""Tags before the weights of a kernel in a .bin file."""

SUM, RELU, TYPE_FLOAT32, TYPE_INT8 = 1, 1, 1, 3
"""Parameter values of Eltwise, Convolution and Cast."""

INT8_SCALE_TERM, INT8_IN, INT8_IN_AND_OUT = 8, 1, 101
"""Key and values of a parameter of Convolution."""

WINDOW = (slice(0, 120), slice(0, 320))
"""Rows and columns of cells to check, a detailed region: exact integers of a whole frame take gigabytes."""

REACH = 16
"""Upper bound of the receptive radius of every network, in cells."""

TOLERANCE = 0.1
"""Maximum mean difference, in 8-bit levels. With `luma`, a shift by 128 gives twice that, no network five times."""

Parameters = dict[int, int | float | list[float]]
Planes = Sequence[NDArray[np.uint8]]


class NcnnNetwork:
    """A network for YUV frames, on ``threads`` threads.

    ``winograd``: whether 3x3 convolutions use the Winograd algorithm rather than GEMM.

    Raises:
        RuntimeError: ncnn can't load the network.
    """

    def __init__(self, quantized: QuantizedNetwork, threads: int, *, winograd: bool) -> None:
        ops = _NcnnOps(quantized)
        ops.join("subpixels", quantized.network.structure(ops, ops.planes))
        self._quantized = quantized
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        self._net.opt.use_vulkan_compute = False
        self._net.opt.use_winograd_convolution = winograd
        with tempfile.TemporaryDirectory() as folder:  # loaded from memory, ncnn would go on reading the buffers
            text, weights = Path(folder) / "network.param", Path(folder) / "network.bin"
            text.write_text(ops.text())
            weights.write_bytes(ops.weights())
            if self._net.load_param(str(text)) or self._net.load_model(str(weights)):
                raise RuntimeError("ncnn can't load the network")

    def __call__(self, planes: Planes) -> ncnn.Mat:
        """Return sub-pixels (24, rows, columns of cells with margins) of luma and chroma, padded as for an engine.

        Raises:
            RuntimeError: ncnn failed.
        """
        luma, chroma = ((plane ^ OFFSET).view(np.int8) for plane in planes)
        extractor = self._net.create_extractor()
        extractor.input("luma", ncnn.Mat(luma))  # not copied: the arrays must live until the result is extracted
        extractor.input("chroma", ncnn.Mat(chroma))
        failed, subpixels = extractor.extract("subpixels")
        if failed:
            raise RuntimeError("ncnn can't run the network")
        return subpixels

    def check(self, planes: Planes) -> None:
        """Compare a window of the result with exact integers.

        Raises:
            RuntimeError: They differ by more than rounding explains.
        """
        error = self.errors(planes).mean()
        if not error < TOLERANCE:
            raise RuntimeError(f"ncnn's sub-pixels are {error:.3f} levels off: it computed something else")

    def errors(self, planes: Planes) -> NDArray[np.float64]:
        """Return the absolute differences from exact integers in the window, in 8-bit levels."""
        luma, chroma = planes
        seen = tuple(slice(CELL * s.start, CELL * s.stop + PAD_BEFORE + PAD_AFTER) for s in WINDOW)
        beside = tuple(slice(s.start, s.stop + 2 * CHROMA_PAD) for s in WINDOW)
        made = tuple(slice(s.start, s.stop + 2 * MARGIN) for s in WINDOW)
        cut = torch.from_numpy(luma[seen])[None, None], torch.from_numpy(chroma[:, *beside])[None]
        exact = IntegerExecutor(self._quantized)(*cut)[0].numpy()
        differences: NDArray[np.float64] = np.abs(np.array(self(planes))[:, *made] - exact)
        return differences[:, REACH:-REACH, REACH:-REACH]


@dataclass(frozen=True, slots=True)
class _Layer:
    kind: str
    inputs: tuple[str, ...]
    parameters: Parameters
    weights: list[bytes]


class _NcnnOps:
    """`sr4k.models.folded_network.Ops` on names of values: appends layers, each named after its output."""

    planes = ("luma", "chroma")

    def __init__(self, quantized: QuantizedNetwork) -> None:
        self._network, self._quantized = quantized.network, quantized
        self._layers = {plane: _Layer("Input", (), {}, []) for plane in self.planes}
        self._steps = dict.fromkeys(self.planes, 1.0)
        """Scales of int8 values that may be read in float as well."""

    def conv(self, name: str, x: str) -> str:
        conv = self._network.convs[name]
        out, _, height, width = conv.kernel.shape
        top, left, bottom, right = conv.pads
        sums = conv.kernel.sum((1, 2, 3))
        parameters: Parameters = {0: out, 1: width, 11: height, 3: conv.stride, 5: 1, 6: conv.kernel.size}
        parameters |= {4: left, 14: top, 15: right, 16: bottom}
        if not conv.quantised:  # it reads the picture
            kind = "Convolution" if conv.groups == 1 else "ConvolutionDepthWise"
            parameters |= {7: conv.groups, 18: -float(OFFSET)}
            weights = [FLOAT32, _floats(conv.kernel), _floats(conv.bias + OFFSET * sums)]
            return self._layer(kind, (self._in_float(x),), parameters, weights, name)
        bias = conv.bias
        if conv.reads in self._network.rectified:
            bias = bias - sums
        if conv.writes in self._network.rectified:
            bias = bias + 1
        steps, step = self._quantized.weight_scales[name], self._quantized.input_scales[name]
        integers = np.rint(conv.kernel / steps[:, None, None, None]).astype(np.int8).tobytes()
        weights = [INT8, integers, bytes(-len(integers) % 4), *map(_floats, (bias, 1 / steps, 1 / step))]
        return self._layer("Convolution", (x,), parameters | {INT8_SCALE_TERM: INT8_IN}, weights, name)

    def quantise(self, name: str, x: str) -> str:
        if self._network.convs[name].codes:
            return x
        step, made = self._quantized.input_scales[name], self._layers[x]
        if made.parameters.get(INT8_SCALE_TERM) == INT8_IN:
            made.parameters[INT8_SCALE_TERM] = INT8_IN_AND_OUT
            made.weights.append(_floats(1 / step))
            return x
        rounded = self._layer("Quantize", (x,), {0: 1}, [_floats(1 / step)])
        self._steps[rounded] = step
        return rounded

    def add(self, a: str, b: str) -> str:
        steps = [self._steps.get(x, 1.0) for x in (a, b)]
        return self._layer("Eltwise", (self._in_float(a), self._in_float(b)), {0: SUM, -23301: steps})

    def relu(self, x: str, basis: str) -> str:
        if basis not in self._network.rectified:  # otherwise the saturation of the next rounding is its ReLU
            self._layers[x].parameters[9] = RELU
        return x

    def join(self, name: str, values: tuple[str, ...]) -> None:
        """Append an output: the channels of all values, concatenated."""
        self._layer("Concat", values, {0: 0}, name=name)

    def text(self) -> str:
        """Return the .param file, one line per layer; a value with several readers is split, which ncnn requires."""
        readers = Counter(x for layer in self._layers.values() for x in layer.inputs)
        copies = {x: [f"{x}/{k}" for k in range(count)] for x, count in readers.items() if count > 1}
        unread = {x: iter(names) for x, names in copies.items()}
        lines = []
        for name, layer in self._layers.items():
            inputs = [next(unread[x]) if x in unread else x for x in layer.inputs]
            lines.append(_line(layer.kind, name, inputs, [name], layer.parameters))
            if name in copies:
                lines.append(_line("Split", f"{name}/", [name], copies[name], {}))
        values = len(self._layers) + sum(map(len, copies.values()))
        return "\n".join([MAGIC, f"{len(lines)} {values}", *lines, ""])

    def weights(self) -> bytes:
        """Return the .bin file: the weights of all layers in order."""
        return b"".join(part for layer in self._layers.values() for part in layer.weights)

    def _in_float(self, x: str) -> str:
        """Return an int8 value cast to float, in units of its scale; any other value as it is."""
        if x not in self._steps:
            return x
        name = f"{x}.float"
        if name in self._layers:
            return name
        return self._layer("Cast", (x,), {0: TYPE_INT8, 1: TYPE_FLOAT32}, name=name)

    def _layer(
        self,
        kind: str,
        inputs: tuple[str, ...],
        parameters: Parameters,
        weights: Sequence[bytes] = (),
        name: str = "",
    ) -> str:
        name = name or f"{kind.lower()}_{len(self._layers)}"
        self._layers[name] = _Layer(kind, inputs, parameters, list(weights))
        return name


def _line(kind: str, name: str, inputs: list[str], outputs: list[str], parameters: Parameters) -> str:
    pairs = [f"{key}={_written(value)}" for key, value in parameters.items()]
    return " ".join([kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, *pairs])


def _written(value: float | list[float]) -> str:
    if isinstance(value, list):
        return ",".join(map(_written, (len(value), *value)))
    return str(value) if isinstance(value, int) else f"{value:.8e}"  # ncnn truncates a number after 15 characters


def _floats(values: ArrayLike) -> bytes:
    return np.asarray(values, np.float32).tobytes()
