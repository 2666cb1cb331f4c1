"""The networks as functions on pictures, through the engines that ship, to be measured."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.engines import EngineSpec, create_engine
from sr4k.errors import OptionError
from sr4k.models import zoo
from sr4k.models.architecture import CELL, CELL_OUT, SCALE, Precision, RcanShape
from sr4k.models.contact_sheet import write_contact_sheet
from sr4k.models.evaluate import Protocol, Upscale, as_protocol, bicubic, compare, mean
from sr4k.models.fid import frechet_distance
from sr4k.models.fold import MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.models.testset import pictures_of


def upscaler(model: str, precision: Precision, weights: Path | None = None) -> Upscale:
    """A function from uint8 RGB (H, W, 3) to (scale H, scale W, 3) that runs a network on RGB.

    In OpenVINO, folded; the networks that can't be folded in PyTorch, in float.

    Raises:
        OptionError: there are no weights, no int8, or no PyTorch where it is needed.
    """
    arch = zoo.architecture(model)
    if isinstance(arch, RcanShape) and (arch.stride != CELL or arch.reduction is not None):
        if precision == "int8":
            raise OptionError(f"{model} runs in float only.")
        return _published(model, arch, weights)
    loaded = zoo.load(model, weights)
    if precision == "int8" and loaded.calibration is None:
        raise OptionError(f"These weights of {model} have no int8 calibration: see sr4k quantize.")
    return _folded(model, precision, weights)


def _folded(model: str, precision: Precision, weights: Path | None) -> Upscale:
    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = low.shape[:2]
        even = (height + height % 2, width + width % 2)
        after = (PAD_AFTER + height % 2, PAD_AFTER + width % 2)
        padded = np.pad(low, ((PAD_BEFORE, after[0]), (PAD_BEFORE, after[1]), (0, 0)), mode="edge")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32)
        spec = EngineSpec(model, *even, colour=None, precision=precision, weights=weights)
        with create_engine("openvino", spec) as engine:
            inner = slice(MARGIN, -MARGIN)
            cells = engine.infer([planes])[inner, inner]
            rows, columns, _ = cells.shape
            r = CELL_OUT
            picture = cells.reshape(rows, columns, 3, r, r).transpose(0, 3, 1, 4, 2).reshape(rows * r, columns * r, 3)
            return _as_bytes(picture[: SCALE * height, : SCALE * width])

    return upscale


def _published(model: str, arch: RcanShape, weights: Path | None) -> Upscale:
    loaded = zoo.load(model, weights)
    try:
        import torch

        from sr4k.models.rcan import Rcan
    except ImportError as err:
        raise OptionError(f"{model} needs PyTorch: pip install 'sr4k-stream[torch]'.") from err
    net = Rcan(arch)
    net.load_state_dict({key: torch.from_numpy(array) for key, array in loaded.weights.items()})
    peak = 1.0 if arch.mean_shift else 255.0  # BasicSR's form has RGB 0..1

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        x = torch.from_numpy(low).permute(2, 0, 1)[None].float() / peak
        with torch.inference_mode():
            rgb: NDArray[np.float32] = net(x)[0].permute(1, 2, 0).numpy()
        return _as_bytes(peak * rgb)

    return upscale


def _as_bytes(picture: NDArray[np.floating]) -> NDArray[np.uint8]:
    clipped: NDArray[np.floating] = np.clip(np.rint(picture), 0, 255)
    return clipped.astype(np.uint8)


def evaluate_networks(
    folders: list[Path],
    names: list[str],
    weights: Path | None,
    protocol: Protocol,
    *,
    fid: Path | None = None,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Quality of networks on folders of pictures, with bicubic's beside it.

    Args:
        weights: of the one network named; ``None``: those that ship.
        fid: file of Inception weights, to measure the Frechet inception distance as well.
        sheet: where to write crops of the first folder, of the first network.

    Returns:
        By network, folder and precision (``bicubic``, ``fp32``, ``int8``): ``psnr``, ``ssim`` and perhaps ``fid``.

    Raises:
        InputError: a folder has no pictures, or there are no Inception weights.
        OptionError: a network has no weights, or a library is missing.
        OutputError: the sheet can't be written.
    """
    results: dict[str, Any] = {}
    for name in names:
        scale = zoo.architecture(name).scale
        networks = _networks(name, weights, scale)
        results[name] = {}
        for folder in folders:
            versions = [
                (picture, {label: upscale(picture.low) for label, upscale in networks.items()})
                for picture in (as_protocol(p, protocol) for p in pictures_of(folder, scale=scale))
            ]
            results[name][folder.name] = {
                label: asdict(mean(compare(made[label], picture.high, protocol, scale) for picture, made in versions))
                for label in networks
            }
            if fid is not None:
                for label, quality in results[name][folder.name].items():
                    quality["fid"] = frechet_distance(
                        [v[label] for _, v in versions], [p.high for p, _ in versions], fid
                    )
            if sheet is not None and name == names[0] and folder == folders[0]:
                rows = [(p.name, {**made, "ground truth": p.high}) for p, made in versions]
                write_contact_sheet(rows, sheet)
    return results


def _networks(name: str, weights: Path | None, scale: int) -> dict[str, Upscale]:
    networks: dict[str, Upscale] = {
        "bicubic": lambda low: bicubic(low, scale),
        "fp32": upscaler(name, "fp32", weights),
    }
    if zoo.load(name, weights).calibration is not None:
        networks["int8"] = upscaler(name, "int8", weights)
    return networks
