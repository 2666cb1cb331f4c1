"""Quantise a folded network to int8: scales from calibration, weights rounded to the nearest step.

Zero-points are 0; activations have one scale per tensor, weights one per output channel. RCAN's heads and long skip
and the bicubic of the luma networks read the picture and stay in float. Everything else is int8, in a basis in which
each channel spans -127..127 where it is read: an exact, diagonal change of basis. The bias corrects the mean error of
the output that rounding the weights causes. Both follow Nagel et al., arXiv 1906.04721. ReLU outputs are shifted by
-128, which the next bias undoes: this uses all eight bits, and the saturation of the rounding is the ReLU. The luma
networks' head reads 8-bit code values, shifted by -128 as well. Its kernels are rounded so that the sum of each is
kept: their response to a flat area is far larger than that to its detail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.models.folded_network import Array, Conv, FoldedNetwork
from sr4k.models.int8_pairs import ordered_for_pairs, wide_enough

LEVELS = 127
"""Largest int8 value of weights and of the calibrated activations."""

OFFSET = 128
"""Offset subtracted from rectified channels and from code values, so that they fill -128..127."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Results of calibration on pictures. They hold for all colour formats: features don't depend on the matrix.

    ``gains``: by basis, the relative step size of each channel (C,). ``peaks``: by int8 convolution, the value of its
    input, in the basis set by the gains, that becomes 127. ``means``: by int8 convolution, the means (C,) of its input
    channels, for the bias correction; absent for weights that were trained with their rounding.
    """

    gains: Mapping[str, Array]
    peaks: Mapping[str, float]
    means: Mapping[str, Array] = field(default_factory=dict)

    def steps(self, conv: str, basis: str) -> Array:
        """Return the step size of each input channel (C,) of an int8 convolution, in units of the float network."""
        return self.gains[basis] * (self.peaks[conv] / LEVELS)

    def towards(self, other: "Calibration", share: float) -> "Calibration":
        """Return geometric means of these step sizes and another network's, which count by a ``share``, 0..1.

        There are no means, as mixed weights are not those whose rounding they correct.
        """

        def mixed(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
            return {key: value ** (1 - share) * two[key] ** share for key, value in one.items()}

        return Calibration(mixed(self.gains, other.gains), mixed(self.peaks, other.peaks))

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return a flat dict of arrays for storage."""
        arrays = {f"gain.{basis}": gain for basis, gain in self.gains.items()}
        arrays |= {f"peak.{conv}": np.array(peak) for conv, peak in self.peaks.items()}
        arrays |= {f"mean.{conv}": mean for conv, mean in self.means.items()}
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> "Calibration":
        """Build a calibration from the result of `to_arrays`.

        Raises:
            ValueError: an array has an unknown name or a wrong number of axes, or a gain or peak is not positive.
        """
        found: dict[str, dict[str, NDArray[np.float64]]] = {"gain": {}, "peak": {}, "mean": {}}
        for key, array in arrays.items():
            kind, _, name = key.partition(".")
            if kind not in found or array.ndim != (0 if kind == "peak" else 1):
                raise ValueError(f"{key} {array.shape} is not known")
            if kind != "mean" and not (array > 0).all():
                raise ValueError(f"{key} must be positive")
            found[kind][name] = array.astype(np.float64)
        return cls(found["gain"], {name: float(peak) for name, peak in found["peak"].items()}, found["mean"])

    def trouble(self, network: FoldedNetwork) -> str | None:
        """Return why the calibration doesn't fit a network, as text; ``None`` if it fits."""
        convs = network.convs.values()
        sizes = {conv.reads: conv.kernel.shape[1] for conv in convs} | {c.writes: len(c.kernel) for c in convs}
        inputs = {k: c.kernel.shape[1] for k, c in network.convs.items() if c.quantised and not c.codes}
        wanted: dict[str, tuple[int, ...]] = {
            f"gain.{basis}": (size,) for basis, size in sizes.items() if basis is not None
        }
        wanted |= {f"peak.{conv}": () for conv in inputs}
        optional = {f"mean.{conv}": (size,) for conv, size in inputs.items()}
        found = {key: array.shape for key, array in self.to_arrays().items()}
        if missing := sorted(wanted.keys() - found.keys()):
            return f"{missing[0]} is missing"
        wrong = [key for key in found if found[key] != (wanted | optional).get(key)]
        return f"{wrong[0]} {found[wrong[0]]} is not known" if wrong else None


@dataclass(frozen=True, slots=True)
class QuantizedNetwork:
    """A folded network whose int8 kernels are rounded, with the scales of their inputs and of their weights (out,)."""

    network: FoldedNetwork
    input_scales: Mapping[str, float]
    weight_scales: Mapping[str, Array] = field(repr=False)


def folded_of(network: FoldedNetwork | QuantizedNetwork) -> FoldedNetwork:
    """Return the convolutions and the structure of a network, whether it is rounded or not."""
    return network.network if isinstance(network, QuantizedNetwork) else network


def quantize(network: FoldedNetwork, calibration: Calibration, *, in_pairs: bool = False) -> QuantizedNetwork:
    """Round a folded network to int8.

    Args:
        network: to be rounded.
        calibration: its step sizes.
        in_pairs: round for a CPU that adds products in pairs of 16 bits (`sr4k.models.int8_pairs`).

    Raises:
        KeyError: the calibration doesn't fit: ask `Calibration.trouble` first.
    """
    network, means = equalise(network, calibration.gains), calibration.means
    if in_pairs:
        network, means = ordered_for_pairs(network, means)
    scales = {name: _weight_scales(network.convs[name].kernel) for name in network.quantised}
    convs = {}
    for name, conv in network.convs.items():
        kernel, bias = conv.kernel, conv.bias
        if conv.quantised:
            rounded = round_keeping_sums if conv.codes else round_to_nearest
            if in_pairs:
                scales[name] = wide_enough(conv, scales[name], rounded)
            kernel = rounded(conv.kernel, scales[name])
        if conv.codes:
            bias = bias + OFFSET * conv.kernel.sum((1, 2, 3))  # exact for mid-grey
        elif name in means:
            bias = bias + (conv.kernel - kernel).sum((2, 3)) @ means[name]
        if conv.reads in network.rectified:
            bias = bias + OFFSET * kernel.sum((1, 2, 3))
        if conv.writes in network.rectified:
            bias = bias - OFFSET
        convs[name] = replace(conv, kernel=kernel, bias=bias)
    input_scales = {
        name: 1.0 if network.convs[name].codes else calibration.peaks[name] / LEVELS for name in network.quantised
    }
    return QuantizedNetwork(replace(network, convs=convs), input_scales, scales)


def equalise(network: FoldedNetwork, gains: Mapping[str, Array]) -> FoldedNetwork:
    """Return the same function with the channels of each basis divided by its gain (C,).

    The output channels of convolutions that write to the basis are divided, the input channels of those that read it
    multiplied.
    """

    def convert(conv: Conv) -> Conv:
        kernel, bias = conv.kernel, conv.bias
        if conv.reads is not None:
            kernel = np.asarray(kernel * gains[conv.reads][None, :, None, None])
        if conv.writes is not None:
            gain = gains[conv.writes]
            kernel, bias = kernel / gain[:, None, None, None], bias / gain
        return replace(conv, kernel=kernel, bias=bias)

    return replace(network, convs={name: convert(conv) for name, conv in network.convs.items()})


def round_to_nearest(kernel: Array, scale: Array) -> Array:
    """Round a kernel (out, in, height, width) to multiples of ``scale`` (out,)."""
    steps = scale[:, None, None, None]
    return np.clip(np.round(kernel / steps), -LEVELS, LEVELS) * steps


def round_keeping_sums(kernel: Array, scale: Array) -> Array:
    """Round a kernel up or down so that the sum of each output channel's kernel changes by half a step at most."""
    steps = scale[:, None, None, None]
    floor = np.floor(kernel / steps)
    rest = (kernel / steps - floor).reshape(len(kernel), -1)
    raised = np.rint(rest.sum(axis=1, keepdims=True))
    rank = np.argsort(np.argsort(-rest, axis=1, kind="stable"), axis=1)
    rounded = np.clip(floor + (rank < raised).reshape(kernel.shape), -LEVELS, LEVELS)
    return np.asarray(rounded * steps)


def _weight_scales(kernel: Array) -> Array:
    peaks = np.abs(kernel).max(axis=(1, 2, 3))
    return np.where(peaks > 0, peaks, 1.0) / LEVELS
