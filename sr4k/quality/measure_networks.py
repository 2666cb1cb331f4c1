"""Measures networks on pictures, through the same engines that upscale videos."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.choose import engine_for
from sr4k.errors import OptionError
from sr4k.media.planes import split_420
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import Pixels, Precision, RcanShape
from sr4k.models.colour import Colour, downsample_chroma, rgb_from_yuv, upsample_chroma, yuv_from_rgb
from sr4k.models.geometry import CELL, CELL_OUT, MARGIN, PAD_AFTER, PAD_BEFORE, SCALE, pad_planes, pixel_shuffle
from sr4k.models.quality import Protocol
from sr4k.models.quality.contact_sheet import ContactSheet
from sr4k.models.quality.fid import FrechetSets, check_fid, frechet_sets
from sr4k.models.quality.protocol import Quality, Upscale, as_protocol, bicubic, compare, mean
from sr4k.models.quality.testset import PicturePair, check_pictures, pictures_of, titles_of

_TRUTH = "ground truth"


def upscaler(model: str, precision: Precision, weights: Path | None = None, *, pixels: Pixels = "bgr") -> Upscale:
    """Return a function from uint8 RGB (H, W, 3) to uint8 RGB (scale * H, scale * W, 3) that runs a network.

    OpenVINO runs the folded network. Networks that can't be folded run in PyTorch, in float and on RGB.

    Args:
        model: name of the network, or of several joined by plus signs, between which pictures are RGB of 8 bits.
        precision: number format; see `sr4k.models.architecture.Precision`.
        weights: folder or checkpoint; ``None``: the shipped weights.
        pixels: ``bgr`` runs the network on RGB; ``yuv`` on 4:2:0 planes, as in videos (BT.601, full range), with
            conversions before and after it.

    Raises:
        OptionError: there are no weights, the weights have no int8 calibration, or PyTorch is needed and missing.
    """
    *before, model = catalogue.chain(model)
    last = _upscaler(model, precision, weights, pixels)
    cleaners = [_foreign(each, "auto", None, pixels) for each in before]

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        for cleaner in cleaners:
            low = cleaner(low)
        return last(low)

    return upscale


def _upscaler(model: str, precision: Precision, weights: Path | None, pixels: Pixels) -> Upscale:
    """Return the same for a single network."""
    if catalogue.foreign(model) is not None:
        return _foreign(model, precision, weights, pixels)
    arch = catalogue.architecture(model)
    if isinstance(arch, RcanShape) and (arch.stride != CELL or arch.reduction is not None):
        if precision == "int8":
            raise OptionError(f"{model} runs in float only: choose the precision fp32.")
        return _published(model, arch, weights)
    loaded = zoo.load(model, weights)
    if precision == "int8" and loaded.calibration is None:
        raise OptionError(f"These weights of {model} have no int8 calibration: sr4k quantize adds one.")
    colour = _PLANES if pixels == "yuv" else None

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = low.shape[:2]
        even = np.pad(low, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").transpose(2, 0, 1)
        spec = EngineSpec(
            model=model, height=even.shape[1], width=even.shape[2], colour=colour, precision=precision, weights=weights
        )
        with create_engine("openvino", spec) as engine:
            cells = engine.infer(_planes_of(even, colour))[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.float64)
        picture = _rgb_of(cells, colour).transpose(1, 2, 0)
        return _as_bytes(picture[: SCALE * height, : SCALE * width])

    return upscale


def _foreign(model: str, precision: Precision, weights: Path | None, pixels: Pixels) -> Upscale:
    """Return the same for a network that the user brought."""
    if weights is not None:
        raise OptionError(f"{model} is one of your networks, which has its own weights: leave --weights out.")
    colour = _PLANES if pixels == "yuv" else None
    scale = catalogue.figures(model).scale

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = low.shape[:2]
        even = np.pad(low, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").transpose(2, 0, 1)
        spec = EngineSpec(model=model, height=even.shape[1], width=even.shape[2], colour=colour, precision=precision)
        with engine_for("openvino", spec) as engine:
            made = engine.infer(_planes_of(even, colour)).astype(np.float64)
        rgb = made if colour is None else _rgb_of_block(made, colour)
        return _as_bytes(rgb.transpose(1, 2, 0)[: scale * height, : scale * width])

    return upscale


def _rgb_of_block(block: NDArray[np.floating], colour: Colour) -> NDArray[np.floating]:
    """Return RGB (3, H, W) of a block of 4:2:0 (3H/2, W)."""
    luma, *chroma = split_420(block)
    return _rgb_of_planes(luma, np.stack(chroma), colour)


_PLANES = Colour("bt601", full_range=True)


def _planes_of(rgb: NDArray[np.uint8], colour: Colour | None) -> list[NDArray[Any]]:
    """Return the padded planes of uint8 RGB (3, H, W)."""
    if colour is None:
        around = (PAD_BEFORE, PAD_AFTER)
        return [np.ascontiguousarray(np.pad(rgb, ((0, 0), around, around), mode="edge"), np.float32)]
    matrix, offset = yuv_from_rgb(colour)
    yuv = np.einsum("ic,chw->ihw", matrix, rgb) + offset[:, None, None]
    chroma = downsample_chroma(yuv[1:], colour.chroma_location)
    return pad_planes(_as_bytes(yuv[0]), _as_bytes(chroma))


def _rgb_of(cells: NDArray[np.floating], colour: Colour | None) -> NDArray[np.floating]:
    """Return RGB (3, 4 * rows, 4 * columns) of RGB sub-pixels (rows, columns, 48) or YUV ones (rows, columns, 24)."""
    values = np.moveaxis(cells, -1, 0)
    if colour is None:
        return pixel_shuffle(values, CELL_OUT)
    return _rgb_of_planes(pixel_shuffle(values[:16], CELL_OUT)[0], pixel_shuffle(values[16:], CELL), colour)


def _rgb_of_planes(luma: NDArray[np.floating], chroma: NDArray[np.floating], colour: Colour) -> NDArray[np.floating]:
    """Return RGB (3, H, W) of luma (H, W) and chroma (2, H/2, W/2)."""
    matrix, offset = rgb_from_yuv(colour)
    yuv = np.concatenate([luma[None], upsample_chroma(chroma, colour.chroma_location)])
    rgb: NDArray[np.floating] = np.einsum("ci,ihw->chw", matrix, yuv) + offset[:, None, None]
    return rgb


def _published(model: str, arch: RcanShape, weights: Path | None) -> Upscale:
    loaded = zoo.load(model, weights)
    try:
        import torch

        from sr4k.models.rcan import Rcan
    except ImportError as err:
        raise OptionError(f"{model} needs PyTorch: pip install 'sr4k-stream[torch]'.") from err
    net = Rcan(arch)
    net.load_state_dict({key: torch.from_numpy(array) for key, array in loaded.weights.items()})
    peak = 1.0 if arch.mean_shift else 255.0  # BasicSR's networks take RGB in 0..1

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
    pixels: Pixels = "bgr",
    fid: Path | None = None,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Measure the quality of networks, and of bicubic, on folders of pictures.

    Args:
        folders: folders of pictures; see `sr4k.models.quality.testset.pictures_of`.
        names: names of the networks; see `upscaler`.
        weights: folder or checkpoint with weights for the only network; ``None``: the shipped weights.
        protocol: see `sr4k.models.quality.protocol`.
        pixels: see `upscaler`.
        fid: file of Inception weights; the Fréchet inception distance is measured as well.
        sheet: picture file to write, with crops from the first folder by the first network.

    Returns:
        By network, folder (`titles_of`) and precision (``bicubic``, ``fp32``, ``int8``): ``psnr`` and ``chroma`` (PSNR,
        dB; infinite where there is no difference), ``ssim`` and, with ``fid``, ``fid``.

    Raises:
        InputError: a folder is missing or has no pictures, one is too small, or there are no Inception weights.
        OptionError: a folder is given twice, a network has no weights, or a library is missing.
        OutputError: the sheet can't be written.
    """
    titles = titles_of(folders)
    if fid is not None:
        check_fid(fid)
    scales = {name: catalogue.figures(catalogue.chain(name)[-1]).scale for name in names}
    all_networks = {name: _networks(name, weights, scale, pixels) for name, scale in scales.items()}
    for folder, scale in product(folders, set(scales.values())):
        check_pictures(folder, scale=scale, protocol=protocol)
    results: dict[str, Any] = {}
    for name, networks in all_networks.items():
        scale = scales[name]
        results[name] = {}
        for title, folder in titles.items():
            pictures = (as_protocol(p, protocol) for p in pictures_of(folder, scale=scale, protocol=protocol))
            rows = ContactSheet() if sheet is not None and name == names[0] and folder == folders[0] else None
            with frechet_sets(fid) as sets:
                results[name][title] = _measured(pictures, networks, protocol, scale, sets, rows)
            if sheet is not None and rows is not None:
                rows.write(sheet)
    return results


def _measured(
    pictures: Iterable[PicturePair],
    networks: dict[str, Upscale],
    protocol: Protocol,
    scale: int,
    sets: FrechetSets | None,
    rows: ContactSheet | None,
) -> dict[str, dict[str, float]]:
    """Return the figures of each network, with one picture in memory at a time; fill the sets and the sheet."""
    qualities: dict[str, list[Quality]] = {label: [] for label in networks}
    for picture in pictures:
        made = {label: upscale(picture.low) for label, upscale in networks.items()}
        shown = {**made, _TRUTH: picture.high}
        for label in networks:
            qualities[label].append(compare(made[label], picture.high, protocol, scale))
        if rows is not None:
            rows.add(picture.name, shown)
        if sets is not None:
            for label, version in shown.items():
                sets.add(label, version)
    results = {label: asdict(mean(measured)) for label, measured in qualities.items()}
    if sets is not None:
        for label, figures in results.items():
            figures["fid"] = sets.distance(label, _TRUTH)
    return results


def _networks(name: str, weights: Path | None, scale: int, pixels: Pixels) -> dict[str, Upscale]:
    networks: dict[str, Upscale] = {"bicubic": lambda low: bicubic(low, scale)}
    network = catalogue.chain(name)[-1]
    found = catalogue.foreign(network)
    precision: Precision = "fp32" if found is None else found.card.precision
    networks[precision] = upscaler(name, precision, weights, pixels=pixels)
    if network in catalogue.ARCHITECTURES and zoo.load(network, weights).calibration is not None:
        networks["int8"] = upscaler(name, "int8", weights, pixels=pixels)
    return networks
