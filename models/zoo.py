"""The networks that ship with the package, by name."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sr4k.errors import OptionError
from sr4k.models.architecture import RCAN2, Architecture
from sr4k.models.colour import Colour
from sr4k.models.fold import FoldedNetwork, Weights, fold_rgb, fold_yuv
from sr4k.models.quantize import Calibration, QuantizedNetwork, quantize

ARCHITECTURES = {"rcan2": RCAN2}
DEFAULT = "rcan2"

_WEIGHTS = "{name}.safetensors"
_CALIBRATION = "{name}.int8.safetensors"


@dataclass(frozen=True)
class Model:
    """A trained network in the published form, and its int8 calibration."""

    name: str
    arch: Architecture
    weights: Weights
    calibration: Calibration

    def folded(self, colour: Colour | None) -> FoldedNetwork:
        """In float: for YUV planes read as ``colour`` says, or for RGB if that is ``None``."""
        return fold_rgb(self.arch, self.weights) if colour is None else fold_yuv(self.arch, self.weights, colour)

    def quantized(self, colour: Colour | None) -> QuantizedNetwork:
        """In int8, likewise."""
        return quantize(self.folded(colour), self.calibration)


def architecture(name: str) -> Architecture:
    """The shape of a model.

    Raises:
        OptionError: no model of that name.
    """
    if name not in ARCHITECTURES:
        raise OptionError(f"There is no model '{name}'. Known: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]


@cache
def load(name: str = DEFAULT, folder: Path | None = None) -> Model:
    """A shipped model, or one of the same files in another folder.

    Raises:
        OptionError: no model of that name, or its files do not fit it.
    """
    arch = architecture(name)
    folder = folder or Path(str(files("sr4k.models.weights")))
    weights = _read(folder / _WEIGHTS.format(name=name))
    count = sum(array.size for array in weights.values())
    if count != arch.parameters():
        raise OptionError(
            f"{folder / _WEIGHTS.format(name=name)} holds {count} parameters; {name} has {arch.parameters()}."
        )
    return Model(name, arch, weights, Calibration.from_arrays(_read(folder / _CALIBRATION.format(name=name))))


def save(name: str, folder: Path, weights: Weights, calibration: Calibration) -> None:
    """Write a model's two files."""
    save_file({key: np.ascontiguousarray(array) for key, array in weights.items()}, folder / _WEIGHTS.format(name=name))
    save_file(calibration.to_arrays(), folder / _CALIBRATION.format(name=name))


def _read(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as err:
        raise OptionError(f"{path} can't be read as safetensors: {err}.") from err
