"""From float to int8: scales from calibration, weights rounded so that the error is smallest where pictures live.

Zero-points are 0; activations have one scale a tensor, weights one an output channel. The heads stay float: they are
1 % of the work, and the long skip that carries the picture starts there, in float too. Everything else is int8:

* The residual stream is first brought to a basis in which each of its channels spans -127..127 at the tail. A diagonal
  change of basis, exact, after Nagel et al., arXiv 1906.04721.
* The tail holds near-bicubic taps; rounding each to the nearest step shifts whole areas by up to a level. It is rounded
  with error feedback instead (Frantar et al., arXiv 2210.17323), weighted by the second moments of its input.
* The body is rounded to the nearest step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sr4k.models.fold import Array, Conv, FoldedNetwork

LEVELS = 127


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration on pictures measured. Independent of colour: features are the same whatever the planes' matrix.

    ``gain`` (C,): size of a step of each channel of the residual stream, so that the tail's input spans -127..127:
    this carries the picture, and must not clip.
    ``body_peaks``: magnitude at the input of each body convolution that becomes 127, in the basis set by ``gain``;
    where rounding and clipping together cost the least.
    ``tail_moments`` (25 C, 25 C): second moments of the tail's 5x5 windows in that basis, channel by channel.
    """

    gain: Array
    body_peaks: Array
    tail_moments: Array = field(repr=False)

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """As flat arrays to store; of the symmetric moments the upper triangle."""
        upper = np.triu_indices(len(self.tail_moments))
        arrays = {"gain": self.gain, "body_peaks": self.body_peaks, "tail_moments": self.tail_moments[upper]}
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> "Calibration":
        """The inverse of `to_arrays`."""
        gain, peaks, flat = (arrays[name].astype(np.float64) for name in ("gain", "body_peaks", "tail_moments"))
        side = 25 * len(gain)
        moments = np.zeros((side, side))
        moments[np.triu_indices(side)] = flat
        return cls(gain, peaks, moments + np.triu(moments, 1).T)


@dataclass(frozen=True, slots=True)
class QuantizedNetwork:
    """A folded network whose body and tail kernels lie on int8 grids.

    ``input_scales`` and ``weight_scales`` (out,) belong to the body convolutions in order, then the tail.
    """

    network: FoldedNetwork
    input_scales: tuple[float, ...]
    weight_scales: tuple[Array, ...] = field(repr=False)


def quantize(network: FoldedNetwork, calibration: Calibration) -> QuantizedNetwork:
    """Round a folded network to int8."""
    network = equalise(network, calibration.gain)
    scales = [_weight_scales(conv.kernel) for conv in (*network.body, network.tail)]
    body = tuple(
        replace(conv, kernel=round_to_nearest(conv.kernel, scale))
        for conv, scale in zip(network.body, scales[:-1], strict=True)
    )
    tail = replace(network.tail, kernel=round_with_feedback(network.tail.kernel, scales[-1], calibration.tail_moments))
    input_scales = (*(float(peak) / LEVELS for peak in calibration.body_peaks), 1.0)
    return QuantizedNetwork(replace(network, body=body, tail=tail), input_scales, tuple(scales))


def equalise(network: FoldedNetwork, gain: Array) -> FoldedNetwork:
    """The same function with every channel of the residual stream divided by its ``gain`` (C,).

    Convolutions that write to the stream (heads, second of a block, end of a group and of the body) have their rows
    divided, those that read from it (first of a block, end of a group and of the body, tail) their columns multiplied.
    """

    def convert(conv: Conv, *, reads: bool, writes: bool) -> Conv:
        kernel, bias = conv.kernel, conv.bias
        if reads:
            kernel = kernel * gain[None, :, None, None]
        if writes:
            kernel, bias = kernel / gain[:, None, None, None], bias / gain
        return Conv(kernel, bias)

    arch = network.arch
    block = [(True, False), (False, True)]
    group = block * arch.blocks + [(True, True)]
    roles = group * arch.groups + [(True, True)]
    return replace(
        network,
        heads=tuple(convert(head, reads=False, writes=True) for head in network.heads),
        body=tuple(
            convert(conv, reads=reads, writes=writes) for conv, (reads, writes) in zip(network.body, roles, strict=True)
        ),
        tail=convert(network.tail, reads=True, writes=False),
    )


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
