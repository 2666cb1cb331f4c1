"""Checkpoints of PyTorch's as ONNX: resselt recognises the architecture by the names and shapes of the weights.

Files are loaded with ``weights_only=True`` or as safetensors: nothing in them is executed. Needs the extra
``[convert]``.
"""

import io
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from sr4k.common.printable import first_line, one_line
from sr4k.errors import OptionError
from sr4k.models.check_weights import differences
from sr4k.models.foreign.card import Card
from sr4k.models.foreign.photographs import photograph
from sr4k.models.foreign.store import MOST_BYTES, WEIGHTS, hash_of_file

try:
    import torch
    from resselt.archs import internal_registry
    from resselt.utilities.state_dict import canonicalize_state_dict
    from safetensors.torch import load_file, save_file

    from sr4k.models.checkpoint import state_dict_of
    from sr4k.models.foreign.key_names import with_known_names
except ImportError as err:
    raise OptionError(
        f"To convert a checkpoint PyTorch and resselt are needed ({err}): pip install 'sr4k-stream[convert]'."
    ) from err

_OPSET = 17

_TRACED, _OTHER, _FIXED = (64, 64), (72, 96), (128, 128)
"""(rows, columns) of the picture that a network is exported with, of one that it is tried with, and of the tiles of
networks that keep the first size for ever."""

MOST_APART = 1e-3
"""Largest difference that is tolerated between the results of ONNX and PyTorch, of values from 0 to 1."""

_INSTEAD = "export it to ONNX where it comes from, and add that."

Picture = NDArray[np.float32]


def load_network(path: Path) -> tuple[Any, str]:
    """Return the network of a checkpoint, and the name of its architecture.

    Raises:
        OptionError: the file can't be read, or holds more than tensors or values that are not finite, or the
            architecture is not known, or is not that of its weights.
    """
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        raise OptionError(f"{path} is no checkpoint: a file of at most {MOST_BYTES >> 20} MiB is expected.")
    state = _state_of(path)
    _check_sizes(path, state)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise OptionError(f"{path} is damaged: {key} holds values that are not finite.")
    network = _network_of(path, with_known_names(canonicalize_state_dict(state)))
    return network.float().eval(), str(network.parameters_info.name)


def _network_of(path: Path, state: dict[str, "torch.Tensor"]) -> Any:
    """Return the network of the architecture that has these names, with these weights."""
    known = next((each for each in internal_registry.store.values() if each.detect(state)), None)
    if known is None:
        raise OptionError(f"{path} is of no architecture that resselt recognises: {_INSTEAD}")
    network: Any = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = known.load(state)
            network.load_state_dict(state)
    except Exception as err:  # whatever an architecture's own code makes of another's weights
        words = "" if network is None else differences(_shapes(network.state_dict()), _shapes(state))
        raise OptionError(
            f"{path} has the names of {known.id}'s weights, but resselt can't load it as that "
            f"({words or _trouble(err)}): {_INSTEAD}"
        ) from err
    return network


def _shapes(state: Mapping[str, "torch.Tensor"]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def _trouble(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else one_line(str(error)) or type(error).__name__


def converted(path: Path, made: Path, probe: Callable[[bytes], Card], ran: Callable[[bytes, Picture], Picture]) -> Card:
    """Convert a checkpoint to ONNX, and compare what both make of photographs.

    Args:
        path: of the checkpoint.
        made: file to write the ONNX to; the weights are written beside it, for PyTorch.
        probe: finds out about a network in ONNX.
        ran: returns what a network in ONNX makes of a picture (channels, rows, columns), from 0 to 1.

    Raises:
        OptionError: it can't be converted, or ONNX gives another picture than PyTorch.
        EngineError: it is no network that can be used.
    """
    network, architecture = load_network(path)
    channels = int(network.parameters_info.in_channels)
    graph, size = _exported(path, network, channels, ran)
    card = probe(graph)
    for number, usual in enumerate((_OTHER, _OTHER, _TRACED)):
        picture = photograph(number, channels, *(size or usual))
        apart = _apart(network, graph, picture, ran)
        if not apart <= MOST_APART:
            raise OptionError(f"{path} can't be converted: ONNX makes another picture of it, by up to {apart:.2g}.")
    made.write_bytes(graph)
    weights = made.with_suffix(WEIGHTS)
    save_file({key: tensor.clone().contiguous() for key, tensor in _state_of(path).items()}, weights)
    return replace(
        card,
        multiple=math.lcm(card.multiple, _cell(network)),
        architecture=architecture,
        parameters=sum(each.numel() for each in network.parameters()),
        weights_sha256=hash_of_file(weights),
    )


def _cell(network: "torch.nn.Module") -> int:
    """Return the side of the cells of pixels that a network works on: tiles that begin within one give other pictures.

    Networks that pad pictures to whole cells themselves take any size, so trying sizes doesn't tell it.
    """
    sides = [each.downscale_factor for each in network.modules() if isinstance(each, torch.nn.PixelUnshuffle)]
    return math.lcm(*sides, getattr(network, "shuffle_factor", None) or 1)  # the latter is ESRGAN's


def _check_sizes(path: Path, state: dict[str, "torch.Tensor"]) -> None:
    """Check that all values of tensors are in the file, once: views can repeat them without end."""
    total = 0
    for key, tensor in state.items():
        total += tensor.numel() * tensor.element_size()
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes() or total > MOST_BYTES:
            shape = "x".join(map(str, tensor.shape))
            raise OptionError(f"{path} is damaged: its tensor {key!r} is said to be {shape}, and isn't all there.")


def _state_of(path: Path) -> dict[str, "torch.Tensor"]:
    if path.suffix.lower() != ".safetensors":
        return state_dict_of(path)
    try:
        return load_file(path)
    except Exception as err:  # the reader fails in many ways on a file of another kind
        raise OptionError(f"{path} can't be read as safetensors: {err}.") from err


def _exported(
    path: Path, network: "torch.nn.Module", channels: int, ran: Callable[[bytes, Picture], Picture]
) -> tuple[bytes, tuple[int, int] | None]:
    """Return a network as ONNX, and the only size that it takes, or ``None`` if it takes any.

    What an exporter records is one run. Networks that compute something from the size of their input, such as the masks
    of windows, keep what they have computed for the first one.
    """
    graph = _traced(path, network, channels, _TRACED, is_any=True)
    picture = _drawn(channels, *_OTHER)
    try:
        if _apart(network, graph, picture, ran) <= MOST_APART:
            return graph, None
    except (RuntimeError, ValueError):  # of EngineError too: it takes no such picture
        pass
    return _traced(path, network, channels, _FIXED, is_any=False), _FIXED


def _traced(path: Path, network: "torch.nn.Module", channels: int, size: tuple[int, int], *, is_any: bool) -> bytes:
    out = io.BytesIO()
    axes = {"pixels": {2: "rows", 3: "columns"}, "enlarged": {2: "more_rows", 3: "more_columns"}} if is_any else None
    given = torch.rand(1, channels, *size)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (given,),
                out,  # type: ignore[arg-type]
                input_names=["pixels"],
                output_names=["enlarged"],
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as err:  # whatever the exporter makes of an architecture
        words = first_line(err)
        raise OptionError(f"{path} can't be exported to ONNX: {words}") from err
    model = onnx.load_from_string(out.getvalue())
    del model.graph.value_info[:]
    return bytes(model.SerializeToString())


def _apart(
    network: "torch.nn.Module", graph: bytes, picture: Picture, ran: Callable[[bytes, Picture], Picture]
) -> float:
    """Return the largest difference between what ONNX and PyTorch make of a picture."""
    with torch.inference_mode():
        wanted = network(torch.from_numpy(picture)[None])[0].numpy()
    found = ran(graph, picture)
    return float(np.abs(found - wanted).max()) if found.shape == wanted.shape else float("inf")


def _drawn(channels: int, rows: int, columns: int) -> Picture:
    """Return a picture with waves, edges and noise."""
    y, x = np.mgrid[:rows, :columns]
    waves = 0.5 + 0.25 * np.sin(x / 3 + y / 5) + 0.15 * ((x // 9 + y // 11) % 2)
    noise = np.random.default_rng(1).normal(0, 0.05, (channels, rows, columns))
    return np.asarray(np.clip(waves + noise, 0, 1), np.float32)
