"""Checkpoints in the names of BasicSR (Real-ESRGAN, RCAN) and BSRGAN become networks that make the same pictures."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("resselt")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr4k.engines.foreign_probe import ran
from sr4k.models.foreign.card import Card
from sr4k.models.foreign.from_checkpoint import converted, load_network
from sr4k.models.foreign.photographs import photograph

FEATURES, GROWTH = 8, 32


def conv(given: int, made: int, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(given, made, side, padding=side // 2)


class Dense(nn.Module):
    """BasicSR's ``ResidualDenseBlock``."""

    def __init__(self) -> None:
        super().__init__()
        for k in range(5):
            setattr(self, f"conv{k + 1}", conv(FEATURES + k * GROWTH, GROWTH if k < 4 else FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for k in range(1, 5):
            seen.append(F.leaky_relu(getattr(self, f"conv{k}")(torch.cat(seen, 1)), 0.2))
        return x + 0.2 * self.conv5(torch.cat(seen, 1))


class Residual(nn.Module):
    """BasicSR's ``RRDB``."""

    def __init__(self) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = Dense(), Dense(), Dense()

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class BasicSrEsrgan(nn.Module):
    """BasicSR's ``RRDBNet``, which Real-ESRGAN uses; of another scale than 4 it works on cells of pixels.

    Args:
        scale: 1, 2 or 4.
        ups: enlargements by 2 after the blocks; BSRGAN has one for its scale of 2.
    """

    def __init__(self, scale: int, ups: int = 2) -> None:
        super().__init__()
        self.cell, self.ups = 2**ups // scale, ups
        self.conv_first = conv(3 * self.cell**2, FEATURES)
        self.body = nn.Sequential(Residual(), Residual())
        self.conv_body, self.conv_hr = conv(FEATURES, FEATURES), conv(FEATURES, FEATURES)
        for k in range(ups):
            setattr(self, f"conv_up{k + 1}", conv(FEATURES, FEATURES))
        self.conv_last = conv(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(F.pixel_unshuffle(x, self.cell))
        x = x + self.conv_body(self.body(x))
        for k in range(self.ups):
            x = F.leaky_relu(getattr(self, f"conv_up{k + 1}")(F.interpolate(x, scale_factor=2)), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = [nn.AdaptiveAvgPool2d(1), conv(FEATURES, 2, 1), nn.ReLU(), conv(2, FEATURES, 1), nn.Sigmoid()]
        self.attention = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.attention(x)


class Rcab(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rcab = nn.Sequential(conv(FEATURES, FEATURES), nn.ReLU(), conv(FEATURES, FEATURES), Attention())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rcab(x)


class Group(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.residual_group = nn.Sequential(Rcab(), Rcab(), Rcab())
        self.conv = conv(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.residual_group(x))


class BasicSrRcan(nn.Module):
    """BasicSR's ``RCAN``, four times, with the mean colour and the range of its settings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_first, self.conv_after_body = conv(3, FEATURES), conv(FEATURES, FEATURES)
        self.body = nn.Sequential(Group(), Group())
        steps = (conv(FEATURES, 4 * FEATURES), nn.PixelShuffle(2))
        self.upsample = nn.Sequential(*steps, conv(FEATURES, 4 * FEATURES), nn.PixelShuffle(2))
        self.conv_last = conv(FEATURES, 3)

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
        x = self.conv_first((x - mean) * 255)
        return self.conv_last(self.upsample(x + self.conv_after_body(self.body(x)))) / 255 + mean


def bsrgan(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights by BSRGAN's names, which are those of RealSR too."""
    names = (("conv_body", "trunk_conv"), ("body", "RRDB_trunk"), ("rdb", "RDB"), ("conv_up", "upconv"))
    renamed = {}
    for key, tensor in state.items():
        for old, new in (*names, ("conv_hr", "HRconv")):
            key = key.replace(old, new)
        renamed[key] = tensor
    return renamed


def made(name: str) -> tuple[nn.Module, dict[str, Tensor], int]:
    """Return a small random network, its checkpoint, and its scale."""
    torch.manual_seed(0)
    if name == "RCAN":
        net: nn.Module = BasicSrRcan()
        return net, {"params": net.state_dict()}, 4
    program, scale = name.split(" x")
    net = BasicSrEsrgan(int(scale), ups=1 if name == "BSRGAN x2" else 2)
    state = net.state_dict()
    if program == "BSRGAN":
        return net, bsrgan(state), int(scale)
    return net, {"params_ema": {f"module.{key}": tensor for key, tensor in state.items()}}, int(scale)


@pytest.mark.parametrize(
    "name", ["Real-ESRGAN x4", "Real-ESRGAN x2", "Real-ESRGAN x1", "BSRGAN x4", "BSRGAN x2", "RCAN"]
)
def test_its_picture_is_that_of_the_program_it_comes_from(name: str, tmp_path: Path) -> None:
    net, checkpoint, scale = made(name)
    torch.save(checkpoint, tmp_path / "net.pth")
    loaded, architecture = load_network(tmp_path / "net.pth")
    assert architecture == ("RCAN" if name == "RCAN" else "ESRGAN")
    assert (loaded.parameters_info.in_channels, loaded.parameters_info.upscale) == (3, scale)
    picture = torch.from_numpy(photograph(0, 3, 24, 32).copy())[None]
    with torch.inference_mode():
        wanted, found = net(picture.clone()), loaded(picture.clone())
    assert wanted.std() > 0.001
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cell"), [("Real-ESRGAN x4", 1), ("Real-ESRGAN x2", 2), ("Real-ESRGAN x1", 4), ("RCAN", 1)]
)
def test_it_becomes_onnx_and_its_weights_are_loaded_again(name: str, cell: int, tmp_path: Path) -> None:
    net, checkpoint, _ = made(name)
    torch.save(checkpoint, tmp_path / "net.pth")

    def unprobed(_graph: bytes) -> Card:
        return Card(scale=1, channels=3, peak=1, parameters=0, macs_per_pixel=0, bytes_per_pixel=0, sha256="")

    card = converted(tmp_path / "net.pth", tmp_path / "made.onnx", unprobed, ran)
    assert card.multiple == cell
    picture = photograph(1, 3, 40, 56)
    given = torch.from_numpy(picture.copy())[None]
    with torch.inference_mode():
        wanted = net(given.clone())[0]
        again = load_network(tmp_path / "made.safetensors")[0](given.clone())[0]
    torch.testing.assert_close(again, wanted, rtol=1e-4, atol=1e-5)
    onnx = torch.from_numpy(ran((tmp_path / "made.onnx").read_bytes(), picture).copy())
    torch.testing.assert_close(onnx, wanted, rtol=1e-3, atol=1e-4)
