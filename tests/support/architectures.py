"""Small random networks of the architectures that people pass around, as PyTorch's checkpoints."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from resselt.archs.compact.arch import SRVGGNetCompact
from resselt.archs.dat.arch import DAT
from resselt.archs.esrgan.arch import RRDBNet
from resselt.archs.plksr.rplksr import realplksr
from resselt.archs.rcan.arch import RCAN
from resselt.archs.span.arch import SPAN
from resselt.archs.swinir.arch import SwinIR

SMALL: dict[str, tuple[int, Callable[[], Any]]] = {
    "Compact": (2, lambda: SRVGGNetCompact(3, 3, num_feat=8, num_conv=2, upscale=2)),
    "Compact x1": (1, lambda: SRVGGNetCompact(3, 3, num_feat=8, num_conv=2, upscale=1)),
    "SPAN": (2, lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2)),
    "ESRGAN": (4, lambda: RRDBNet(num_filters=8, num_blocks=1, scale=4)),
    "RCAN": (2, lambda: RCAN(scale=2, n_resgroups=1, n_resblocks=2, n_feats=16, reduction=4, norm=False)),
    "SwinIR": (
        2,
        lambda: SwinIR(
            img_size=16,
            embed_dim=12,
            depths=[2],
            num_heads=[2],
            window_size=8,
            upscale=2,
            upsampler="pixelshuffledirect",
            mlp_ratio=2.0,
        ),
    ),
    "RealPLKSR": (2, lambda: realplksr(dim=16, n_blocks=2, upscaling_factor=2, dysample=False)),
    "DAT": (2, lambda: DAT(embed_dim=32, depth=[2], num_heads=[2], split_size=[2, 4], upscale=2, img_size=16)),
}
"""Scale and maker of each network, by a name."""


def small(name: str, seed: int = 0) -> Any:
    """Return a network whose weights are random, but small enough that values stay near the picture's."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SMALL[name][1]().eval()
