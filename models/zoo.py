"""Networks by name: load, save and fold them, with the weights that ship with the package or others."""

import json
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as packed

from sr4k.common.option_names import option
from sr4k.common.whole_file import write_whole
from sr4k.errors import OptionError
from sr4k.models import fold, fold_luma
from sr4k.models.architecture import RGB_MEAN, Architecture, LumaShape, RcanShape
from sr4k.models.catalogue import ARCHITECTURES, DEFAULT, SHARED, SHARPEST, architecture, can_sharpen
from sr4k.models.check_weights import check_fit, check_size, check_values
from sr4k.models.colour import Colour
from sr4k.models.fold import Weights
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.geometry import CELL
from sr4k.models.quantize import Calibration, QuantizedNetwork, quantize
from sr4k.models.source_quality import GRADES, nearest

_STRONGEST = 1.36
"""Factor on the detail of a luma network without crisp weights at the largest sharpness."""

HALO = 4.0
"""How far luma may go beyond its range in the source nearby at the largest sharpness, in 8-bit levels."""

LICENCE = "Apache-2.0"
"""SPDX identifier of the licence of all weights that ship."""

_WEIGHTS = "{name}{kind}.safetensors"
_INT8 = "{name}{kind}.int8.safetensors"
_CRISP, _GRADE = ".crisp", ".q{:02d}"
"""Parts of the names of files whose weights are for a crisp look, and for compressed sources."""

_TUNED = "weights."
"""Prefix of weights in the int8 file, fine-tuned for int8."""


@dataclass(frozen=True)
class Model:
    """A trained network, optionally with a calibration for int8 and with weights fine-tuned for int8.

    ``grade``: the quality of the sources that the weights are for (`sr4k.models.source_quality`). ``crisp``: whether
    they are for a crisp look instead of the least error. ``beyond``: how far its luma may go beyond the range of the
    source nearby, in 8-bit levels; ``None``: as far as it will.
    """

    name: str
    arch: Architecture
    weights: Weights
    calibration: Calibration | None = None
    int8_weights: Weights | None = None
    grade: int = 0
    crisp: bool = False
    beyond: float | None = None

    def towards(self, other: "Model", share: float) -> "Model":
        """Return the network whose weights and step sizes lie between this one's and another's, of the same cost.

        That makes sense for weights of which one were trained from the other: results then lie in between as well.

        Args:
            other: of the same architecture.
            share: 0: this one, to 1: the other.
        """
        weights = _between(self.weights, other.weights, share)
        if self.calibration is None or other.calibration is None:
            return replace(self, weights=weights, calibration=None, int8_weights=None)
        tuned = _between(self.int8_weights or self.weights, other.int8_weights or other.weights, share)
        calibration = self.calibration.towards(other.calibration, share)
        return replace(self, weights=weights, calibration=calibration, int8_weights=tuned)

    def with_detail(self, factor: float) -> "Model":
        """Return a luma network whose detail is multiplied by ``factor``."""
        if factor == 1:
            return self

        def scaled(weights: Weights) -> Weights:
            return {k: array * np.float32(factor) if k.startswith("tail.") else array for k, array in weights.items()}

        tuned = None if self.int8_weights is None else scaled(self.int8_weights)
        return replace(self, weights=scaled(self.weights), int8_weights=tuned)

    def folded(self, colour: Colour | None) -> FoldedNetwork:
        """Fold the network in float, for YUV planes of that ``colour``, or for RGB if it is ``None``.

        Raises:
            OptionError: this network has no folded form.
        """
        return _fold(self, self.weights, colour)

    def quantized(self, colour: Colour | None, *, in_pairs: bool = False) -> QuantizedNetwork:
        """Fold and quantise the network, for YUV planes of 8 bits, or for RGB if ``colour`` is ``None``.

        ``in_pairs``: for a CPU that adds products in pairs of 16 bits (`sr4k.models.int8_pairs`).

        Raises:
            OptionError: there is no calibration, it doesn't fit, the planes have more than 8 bits, or this network has
                no folded form.
        """
        if colour is not None and colour.bits > 8:
            raise OptionError(f"Pictures of {colour.bits} bits are too fine for int8: omit {option('precision')}.")
        if self.calibration is None:
            instead = option("precision", "fp32")
            raise OptionError(f"These weights of {self.name} have no int8 calibration: use {instead}.")
        network = _fold(self, self.int8_weights or self.weights, colour)
        if trouble := self.calibration.trouble(network):
            raise OptionError(
                f"The int8 calibration of {self.name} does not fit: {trouble}. Make one with sr4k quantize."
            )
        return quantize(network, self.calibration, in_pairs=in_pairs)


@cache
def load(name: str = DEFAULT, source: Path | None = None, quality: int = 0, sharpness: int = 0) -> Model:
    """Load a model with its shipped weights, with those of a folder or with those of one file.

    Args:
        name: name of the model.
        source: a folder that `save` wrote, or a ``.safetensors``, ``.pt`` or ``.pth`` file of float weights.
        quality: that of the sources to upscale, 0..51 (`sr4k.models.source_quality`): the model with the nearest grade
            is loaded.
        sharpness: 0, the least error, to `SHARPEST`, the crisp look: how much of the crisp weights is mixed in, or,
            where there are none, how much of a third more detail. The more, the less may luma go beyond the range of
            the source nearby: by `HALO` at the largest sharpness, by twice as much at half of it.

    Raises:
        OptionError: there is no model of that name or no weights for it, or the weights don't fit or are damaged, or
            there is no sharpness for that network (`can_sharpen`), or a folder has crisp weights for a part of its
            qualities alone.
    """
    arch = architecture(name)
    if sharpness and not can_sharpen(arch):
        raise OptionError(f"{option('sharpness')} is for luma networks, which {name} isn't: omit it.")
    if source is not None and not source.exists():
        raise OptionError(f"{source} does not exist.")
    if source is not None and not source.is_dir():
        plain, crisp = Model(name, arch, _checkpoint(name, arch, source)), None
    else:
        folder, grade = _folder(name, source), nearest(quality, grades(name, source))
        plain = _stored(name, folder, grade)
        crisp = _stored(name, folder, grade, crisp=True) if sharpness and _has_crisp(name, folder) else None
    if not sharpness:
        return plain
    share = sharpness / SHARPEST
    sharper = plain.with_detail(1 + (_STRONGEST - 1) * share) if crisp is None else plain.towards(crisp, share)
    return replace(sharper, beyond=float(round(HALO / share)))  # whole levels, so that roundings agree


@cache
def grades(name: str = DEFAULT, source: Path | None = None) -> tuple[int, ...]:
    """Return the grades for which a model has weights, the shipped ones or those of a folder; 0 is always one.

    A network that a user brought has no others.
    """
    if name not in ARCHITECTURES:
        return (0,)
    folder = source or _shipped()
    stored = SHARED.get(name, name)
    return (0, *(grade for grade in GRADES[1:] if files_of(folder, stored, grade)[0].exists()))


def files_of(folder: Path, name: str, grade: int = 0, *, crisp: bool = False) -> tuple[Path, Path]:
    """Return the paths that `save` writes for a model: float weights, int8 calibration."""
    kind = (_CRISP if crisp else "") + (_GRADE.format(grade) if grade else "")
    return folder / _WEIGHTS.format(name=name, kind=kind), folder / _INT8.format(name=name, kind=kind)


def save(folder: Path, model: Model) -> None:
    """Write a model's weights and, if it has one, its int8 calibration; create the folder if necessary.

    Models of one name that are of several grades, or crisp, may share a folder.

    Raises:
        OutputError: a file can't be written.
    """
    weights, int8 = files_of(folder, model.name, model.grade, crisp=model.crisp)
    write_whole(weights, packed(_contiguous(model.weights)))
    if model.calibration is not None:
        tuned = {_TUNED + key: array for key, array in (model.int8_weights or {}).items()}
        arrays = model.calibration.to_arrays() | _contiguous(tuned)
        write_whole(int8, packed(arrays))


def has_weights(name: str) -> bool:
    """Whether weights of model ``name`` ship with the package."""
    return files_of(_shipped(), SHARED.get(name, name))[0].exists()


def check_shipped(name: str, instead: str) -> None:
    """Check that weights of a model of our own ship with the package.

    Args:
        name: of the model.
        instead: what to do if there are none, for the error.

    Raises:
        OptionError: there are none.
    """
    if name in ARCHITECTURES and not has_weights(name):
        raise OptionError(f"No weights of {name} ship with the package: {instead}.")


def measured() -> dict[str, Any]:
    """Return the measured quality of the shipped weights by model, as ``sr4k eval --json`` wrote it."""
    path = _shipped() / "quality.json"
    results: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return results


def _folder(name: str, source: Path | None) -> Path:
    if source is None:
        check_shipped(name, f"give a checkpoint with {option('weights')}")
    return source or _shipped()


def _has_crisp(name: str, folder: Path) -> bool:
    """Whether a folder has crisp weights beside all weights of a model; refuse those beside some of them.

    Pictures of some qualities would get another look than those of others.
    """
    stored = SHARED.get(name, name)
    wanted: list[Path] = []
    for grade in grades(name, folder):
        plain, crisp = (files_of(folder, stored, grade, crisp=is_crisp) for is_crisp in (False, True))
        wanted.extend(of_crisp for of_plain, of_crisp in zip(plain, crisp, strict=True) if of_plain.exists())
    missing = [file.name for file in wanted if not file.exists()]
    if 0 < len(missing) < len(wanted):
        raise OptionError(
            f"{folder} has crisp weights of {name} for some qualities of sources alone: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Add them, or leave {option('sharpness')} out."
        )
    return not missing


def _stored(name: str, folder: Path, grade: int, *, crisp: bool = False) -> Model:
    arch, stored = ARCHITECTURES[name], SHARED.get(name, name)
    float_file, int8_file = files_of(folder, stored, grade, crisp=crisp)
    if not float_file.exists():
        present = ", ".join(each for each in ARCHITECTURES if files_of(folder, each)[0].exists())
        raise OptionError(
            f"{folder} has no weights of {name}: {float_file.name} is missing"
            f"{f', and there are weights of {present}' if present else ''}."
        )
    weights = _weights(float_file, stored, ARCHITECTURES[stored])
    calibration, tuned = _int8(int8_file, stored, ARCHITECTURES[stored]) if int8_file.exists() else (None, None)
    return Model(name, arch, weights, calibration, tuned, grade, crisp)


def _between(one: Weights, other: Weights, share: float) -> Weights:
    return {key: array + np.float32(share) * (other[key] - array) for key, array in one.items()}


def _fold(model: Model, weights: Weights, colour: Colour | None) -> FoldedNetwork:
    name, arch = model.name, model.arch
    if isinstance(arch, LumaShape):
        if colour is None:
            return fold_luma.fold_rgb(arch, weights, model.beyond)
        return fold_luma.fold_yuv(arch, weights, colour, model.beyond)
    if not isinstance(arch, RcanShape) or arch.reduction is not None or arch.stride != CELL:
        raise OptionError(f"{name} is too heavy for video and has no folded form: use it with sr4k eval only.")
    weights = {**_mean_shifts(), **weights}
    return fold.fold_rgb(arch, weights) if colour is None else fold.fold_yuv(arch, weights, colour)


def _mean_shifts() -> dict[str, NDArray[np.float32]]:
    """Return the official form's mean shifts, which BasicSR's form has as plain arithmetic."""
    eye, mean = np.eye(3, dtype=np.float32)[..., None, None], 255 * np.array(RGB_MEAN, np.float32)
    return {"sub_mean.weight": eye, "sub_mean.bias": -mean, "add_mean.weight": eye, "add_mean.bias": mean}


def _checkpoint(name: str, arch: Architecture, path: Path) -> Weights:
    if path.suffix == ".safetensors":
        return _weights(path, name, arch)
    try:
        from sr4k.models.checkpoint import read_checkpoint
    except ImportError as err:
        raise OptionError(f"{path}: a PyTorch checkpoint needs PyTorch: pip install 'sr4k-stream[torch]'.") from err
    weights = read_checkpoint(path, name, arch)
    check_values(path, weights)
    return weights


def _weights(path: Path, name: str, arch: Architecture) -> Weights:
    weights = _read(path, name, arch)
    check_fit(path, name, arch, {key: array.shape for key, array in weights.items()})
    check_values(path, weights)
    return weights


def _int8(path: Path, name: str, arch: Architecture) -> tuple[Calibration, Weights | None]:
    """Read a calibration, and its fine-tuned weights if there are any."""
    arrays = _read(path, name, arch)
    tuned = {key.removeprefix(_TUNED): array for key, array in arrays.items() if key.startswith(_TUNED)}
    if tuned:
        check_fit(path, name, arch, {key: array.shape for key, array in tuned.items()})
    check_values(path, arrays)
    try:
        return Calibration.from_arrays({k: a for k, a in arrays.items() if not k.startswith(_TUNED)}), tuned or None
    except ValueError as err:
        raise OptionError(f"{path} is damaged, or of another kind: {err}.") from err


def _read(path: Path, name: str, arch: Architecture) -> dict[str, NDArray[np.float32]]:
    check_size(path, name, arch)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as err:
        raise OptionError(f"{path} can't be read as safetensors: {err}.") from err
    except Exception as err:  # dtypes that NumPy doesn't have
        raise OptionError(f"{path} can't be read: its tensors aren't 16- to 64-bit floats ({err!r}).") from err


def _contiguous(weights: Weights) -> dict[str, NDArray[Any]]:
    return {key: np.ascontiguousarray(array) for key, array in weights.items()}


def _shipped() -> Path:
    return Path(str(files("sr4k.models.weights")))
