"""Read third-party checkpoints of RCAN: the official layout (github.com/yulunzhang/RCAN) and BasicSR's. Needs PyTorch.

Files are loaded with ``weights_only=True``: nothing in them is executed.
"""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sr4k.common.printable import one_line
from sr4k.errors import OptionError
from sr4k.models.architecture import Architecture, RcanShape
from sr4k.models.check_weights import check_fit
from sr4k.models.rcan import Rcan

_WRAPPERS = ("params_ema", "params", "state_dict", "model")
"""Keys that training programs store the weights under, in order of preference."""

_OFFICIAL = (
    (r"head\.0\.", "head."),
    (r"(body\.\d+\.body\.\d+\.body\.3)\.conv_du\.0\.", r"\1.squeeze."),
    (r"(body\.\d+\.body\.\d+\.body\.3)\.conv_du\.2\.", r"\1.excite."),
    (r"tail\.0\.(\d+)\.", "up.{half}."),
    (r"tail\.1\.", "last."),
)
_BASICSR = (
    (r"conv_first\.", "head."),
    (r"(body\.\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.1\.", r"\1.body.\2.body.3.squeeze."),
    (r"(body\.\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.3\.", r"\1.body.\2.body.3.excite."),
    (r"(body\.\d+)\.residual_group\.(\d+)\.rcab\.(\d)\.", r"\1.body.\2.body.\3."),
    (r"(body\.\d+)\.conv\.", r"\1.body.{blocks}."),
    (r"conv_after_body\.", "body.{groups}."),
    (r"upsample\.(\d+)\.", "up.{half}."),
    (r"conv_last\.", "last."),
)
"""Patterns of keys and their replacements. ``{half}``: an upsampler alternates convolutions and shuffles."""


def read_checkpoint(path: Path, name: str, arch: Architecture) -> dict[str, NDArray[np.float32]]:
    """Read the weights in a ``.pt`` or ``.pth`` file as float32 arrays, by their names in `Architecture.shapes`.

    Raises:
        OptionError: the file can't be read, holds more than tensors, or doesn't fit the network: the message names the
            keys and shapes that differ. Or the network isn't an RCAN.
    """
    if not path.exists():
        raise OptionError(f"{path} does not exist.")
    if not isinstance(arch, RcanShape):
        raise OptionError(f"{name} can't be read from a PyTorch checkpoint: give a .safetensors file or a folder.")
    state = state_dict_of(path)
    basicsr = "conv_first.weight" in state
    renamed = {_rename(key, arch, _BASICSR if basicsr else _OFFICIAL): tensor for key, tensor in state.items()}
    if not arch.mean_shift:
        renamed = {key: tensor for key, tensor in renamed.items() if "_mean." not in key}
    elif basicsr:
        renamed |= {key: t for key, t in Rcan(arch).state_dict().items() if "_mean." in key}
    check_fit(path, name, arch, {key: tuple(tensor.shape) for key, tensor in renamed.items()})
    for key in arch.shapes():
        if not renamed[key].is_floating_point() or renamed[key].layout is not torch.strided:
            raise OptionError(f"{path} is damaged, or of another kind: {key} isn't a plain tensor of floats.")
    return {key: renamed[key].float().numpy() for key in arch.shapes()}


def check_archive(path: Path) -> None:
    """Refuse a zip archive that would grow as it is read and could fill the memory: PyTorch stores uncompressed.

    Raises:
        OptionError: the entries are compressed or overlap, or the archive's directory is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as err:
        raise OptionError(f"{path} can't be read as a PyTorch checkpoint: {err}.") from err
    if size > path.stat().st_size:
        raise OptionError(f"{path} is refused: its entries are compressed or overlap, which PyTorch never writes.")


def state_dict_of(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without executing anything in it.

    Raises:
        OptionError: the file can't be read, holds more than tensors, or no mapping of names to tensors.
    """
    check_archive(path)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise OptionError(
            f"{path} is refused: it holds more than tensors, and loading that could run code. "
            "Save its state_dict() alone, and pass that file."
        ) from err
    except Exception as err:  # the reader fails in many ways on a file of another kind
        words = f" ({one_line(str(err))})" if len(str(err)) > 10 else ""
        raise OptionError(f"{path} can't be read as a PyTorch checkpoint: it is none, or is cut off{words}.") from err
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
            break
    if not isinstance(state, Mapping) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise OptionError(f"{path} holds no state_dict: expected a dict of names to tensors.")
    return {str(key).removeprefix("module."): tensor for key, tensor in state.items()}


def _rename(key: str, arch: RcanShape, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in patterns:
        match = re.match(pattern, key)
        if match:
            half = int(match[1]) // 2 if "{half}" in replacement else 0
            filled = replacement.replace("{half}", str(half))
            filled = filled.replace("{blocks}", str(arch.blocks)).replace("{groups}", str(arch.groups))
            return match.expand(filled) + key[match.end() :]
    return key
