"""From float to int8: scales from calibration, weights rounded so that the error is smallest where pictures live.

Zero-points are 0; activations have one scale a tensor, weights one an output channel. What reads the picture itself
stays float: the heads, 1 % of the work, and the bicubic of the luma networks. So does the long skip of RCAN, which
carries the picture. Everything else is int8:

* Channels are first brought to a basis in which each spans -127..127 where it is read. A diagonal change of basis,
  exact, after Nagel et al., arXiv 1906.04721.
* The tail of RCAN holds near-bicubic taps; rounding each to the nearest step shifts whole areas by up to a level. It is
  rounded with error feedback instead (Frantar et al., arXiv 2210.17323), weighted by the second moments of its input.
* All else is rounded to the nearest step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sr4k.models.graph import Array, Conv, FoldedNetwork

LEVELS = 127
FED_BACK = "tail"
"""The convolution that is rounded with error feedback, where there are moments for it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration on pictures measured. Independent of colour: features are the same whatever the planes' matrix.

    ``gains``: of each basis, the size of a step of each channel (C,). ``peaks``: of each int8 convolution, the value at
    its input, in the basis set by the gains, that becomes 127. ``moments`` (taps, taps): second moments of the
    windows that the tail reads, channel by channel; ``None`` where rounding to nearest is as good.
    """

    gains: Mapping[str, Array]
    peaks: Mapping[str, float]
    moments: Array | None = field(default=None, repr=False)

    def steps(self, conv: str, basis: str) -> Array:
        """Size of a step of each channel (C,) at the input of an int8 convolution, as its float form sees it."""
        return self.gains[basis] * (self.peaks[conv] / LEVELS)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """As flat arrays to store; of the symmetric moments the upper triangle."""
        arrays = {f"gain.{basis}": gain for basis, gain in self.gains.items()}
        arrays |= {f"peak.{conv}": np.array(peak) for conv, peak in self.peaks.items()}
        if self.moments is not None:
            arrays["moments"] = self.moments[np.triu_indices(len(self.moments))]
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> "Calibration":
        """The inverse of `to_arrays`; other arrays are passed over."""
        gains = {name[5:]: array.astype(np.float64) for name, array in arrays.items() if name.startswith("gain.")}
        peaks = {name[5:]: float(array) for name, array in arrays.items() if name.startswith("peak.")}
        if "moments" not in arrays:
            return cls(gains, peaks)
        flat = arrays["moments"].astype(np.float64)
        side = int((8 * len(flat) + 1) ** 0.5 - 1) // 2
        moments = np.zeros((side, side))
        moments[np.triu_indices(side)] = flat
        return cls(gains, peaks, moments + np.triu(moments, 1).T)


@dataclass(frozen=True, slots=True)
class QuantizedNetwork:
    """A folded network whose int8 kernels lie on their grids, with the scales of their inputs and, (out,), weights."""

    network: FoldedNetwork
    input_scales: Mapping[str, float]
    weight_scales: Mapping[str, Array] = field(repr=False)


def quantize(network: FoldedNetwork, calibration: Calibration) -> QuantizedNetwork:
    """Round a folded network to int8."""
    network = equalise(network, calibration.gains)
    scales = {name: _weight_scales(network.convs[name].kernel) for name in network.quantised}
    convs = dict(network.convs)
    for name, scale in scales.items():
        kernel = convs[name].kernel
        if name == FED_BACK and calibration.moments is not None:
            rounded = round_with_feedback(kernel, scale, calibration.moments)
        else:
            rounded = round_to_nearest(kernel, scale)
        convs[name] = replace(convs[name], kernel=rounded)
    input_scales = {name: calibration.peaks[name] / LEVELS for name in network.quantised}
    return QuantizedNetwork(replace(network, convs=convs), input_scales, scales)


def equalise(network: FoldedNetwork, gains: Mapping[str, Array]) -> FoldedNetwork:
    """The same function with the channels of each basis divided by its gain (C,).

    Convolutions that write to the basis have their rows divided, those that read from it their columns multiplied.
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
    """Kernel (out, in, height, width) on its grid of ``scale`` (out,) steps."""
    steps = scale[:, None, None, None]
    return np.clip(np.round(kernel / steps), -LEVELS, LEVELS) * steps


def round_with_feedback(kernel: Array, scale: Array, moments: Array) -> Array:
    """Round a kernel tap by tap, each time moving the taps still free to make up for the error, as GPTQ does.

    Minimises the expected square of the output's error under ``moments`` (in * height * width, the same): taps are
    taken in order of their input's power, and the feedback comes from the Cholesky factor of the inverse moments.
    """
    taps = kernel.reshape(len(kernel), -1)
    damped = moments + 1e-4 * np.mean(np.diag(moments)) * np.eye(len(moments))
    order = np.argsort(-np.diag(damped))
    factor = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    free = taps[:, order].copy()
    rounded = np.empty_like(free)
    for k in range(free.shape[1]):
        rounded[:, k] = np.clip(np.round(free[:, k] / scale), -LEVELS, LEVELS) * scale
        error = (free[:, k] - rounded[:, k]) / factor[k, k]
        free[:, k + 1 :] -= error[:, None] * factor[k, k + 1 :]
    out = np.empty_like(rounded)
    out[:, order] = rounded
    return out.reshape(kernel.shape)


def _weight_scales(kernel: Array) -> Array:
    peaks = np.abs(kernel).max(axis=(1, 2, 3))
    return np.where(peaks > 0, peaks, 1.0) / LEVELS
