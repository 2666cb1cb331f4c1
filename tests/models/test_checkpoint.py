"""Checkpoints in other layouts: matching ones load exactly, others are refused with the names that don't match."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sr4k.errors import OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import RcanShape

torch = pytest.importorskip("torch")

from sr4k.models.checkpoint import read_checkpoint  # noqa: E402
from sr4k.models.rcan import Rcan  # noqa: E402

PLAIN = RcanShape(groups=2, blocks=1, features=16)
ATTENTIVE = RcanShape(groups=1, blocks=2, features=16, reduction=4, stride=1, scale=4)


def net_of(arch: RcanShape) -> Rcan:
    torch.manual_seed(0)
    return Rcan(arch)


def official(net: Rcan) -> dict[str, torch.Tensor]:
    """Return the network's state with the keys of github.com/yulunzhang/RCAN."""
    renamed = {}
    for key, tensor in net.state_dict().items():
        key = re.sub(r"^head\.", "head.0.", key)
        key = re.sub(r"^last\.", "tail.1.", key)
        key = re.sub(r"^up\.(\d)", lambda m: f"tail.0.{2 * int(m[1])}", key)
        key = key.replace("3.squeeze", "3.conv_du.0").replace("3.excite", "3.conv_du.2")
        renamed[key] = tensor
    return renamed


def basicsr(net: Rcan) -> dict[str, torch.Tensor]:
    """Return the network's state with BasicSR's keys."""
    arch, renamed = net.arch, {}
    for key, tensor in net.state_dict().items():
        if "_mean." in key:
            continue
        key = re.sub(r"^head\.", "conv_first.", key)
        key = re.sub(r"^last\.", "conv_last.", key)
        key = re.sub(r"^up\.(\d)", lambda m: f"upsample.{2 * int(m[1])}", key)
        key = re.sub(rf"^body\.{arch.groups}\.", "conv_after_body.", key)
        key = re.sub(rf"^(body\.\d+)\.body\.{arch.blocks}\.", r"\1.conv.", key)
        key = re.sub(r"^(body\.\d+)\.body\.(\d+)\.body\.", r"\1.residual_group.\2.rcab.", key)
        key = key.replace("3.squeeze", "3.attention.1").replace("3.excite", "3.attention.3")
        renamed[key] = tensor
    return renamed


@pytest.mark.parametrize("arch", [PLAIN, ATTENTIVE], ids=["plain", "attentive"])
def test_the_official_layout_loads(tmp_path: Path, arch: RcanShape) -> None:
    net = net_of(arch)
    torch.save(official(net), tmp_path / "official.pt")
    weights = read_checkpoint(tmp_path / "official.pt", "rcan", arch)
    assert all(np.array_equal(weights[key], tensor) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("arch", [PLAIN, ATTENTIVE], ids=["plain", "attentive"])
@pytest.mark.parametrize("wrapper", [None, "params", "params_ema", "state_dict"])
def test_basicsrs_layout_loads(tmp_path: Path, arch: RcanShape, wrapper: str | None) -> None:
    net = net_of(arch)
    state = {f"module.{key}": tensor for key, tensor in basicsr(net).items()}
    torch.save(state if wrapper is None else {wrapper: state}, tmp_path / "basicsr.pth")
    weights = read_checkpoint(tmp_path / "basicsr.pth", "rcan", arch)
    assert all(np.allclose(weights[key], tensor) for key, tensor in net.state_dict().items())


def test_averaged_parameters_come_first(tmp_path: Path) -> None:
    net = net_of(PLAIN)
    state = official(net)
    torch.save({"params": {k: 0 * v for k, v in state.items()}, "params_ema": state}, tmp_path / "both.pth")
    assert np.array_equal(
        read_checkpoint(tmp_path / "both.pth", "rcan", PLAIN)["head.weight"], net.head.weight.detach()
    )


def test_differing_keys_and_shapes_are_named(tmp_path: Path) -> None:
    state = official(net_of(PLAIN))
    state["head.0.weight"] = torch.zeros(16, 3, 5, 5)
    del state["tail.1.bias"]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(OptionError) as told:
        read_checkpoint(tmp_path / "other.pt", "rcan", PLAIN)
    assert "does not fit rcan" in str(told.value)
    assert "head.weight is (16, 3, 5, 5), not (16, 3, 3, 3)" in str(told.value)
    assert "last.bias is missing" in str(told.value)
    assert "extra.weight is not known" in str(told.value)


def test_many_differences_are_counted(tmp_path: Path) -> None:
    torch.save(official(net_of(RcanShape(groups=4, blocks=3, features=16))), tmp_path / "larger.pt")
    with pytest.raises(OptionError, match=r"and \d+ more"):
        read_checkpoint(tmp_path / "larger.pt", "rcan", PLAIN)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_file_with_code_in_it_is_refused_unrun(tmp_path: Path) -> None:
    torch.save({"params": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(OptionError, match="refused: it holds more than tensors"):
        read_checkpoint(tmp_path / "bomb.pth", "rcan", PLAIN)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04broken"])
def test_a_file_that_is_not_a_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(OptionError, match=r"broken\.pth"):
        read_checkpoint(tmp_path / "broken.pth", "rcan", PLAIN)


def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(OptionError, match="holds no state_dict"):
        read_checkpoint(tmp_path / "empty.pth", "rcan", PLAIN)


def test_basicsrs_form_is_the_official_one_with_its_ranges_folded(tmp_path: Path) -> None:
    """One checkpoint gives the same picture as RGB 0..1 with plain arithmetic and as RGB 0..255 with mean shifts."""
    arch = catalogue.architecture("rcan")
    assert isinstance(arch, RcanShape)
    net = net_of(arch)
    torch.save(basicsr(net), tmp_path / "rcan.pth")
    weights = zoo.load("rcan-basicsr", tmp_path / "rcan.pth").weights
    in_units = Rcan(catalogue.architecture("rcan-basicsr")).double()  # type: ignore[arg-type]
    in_units.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
    rgb = 255 * torch.rand(1, 3, 16, 20, dtype=torch.float64)
    with torch.no_grad():
        assert (255 * in_units(rgb / 255) - net.double()(rgb)).abs().max() < 1e-4  # the shifts' biases are float32


def test_an_archive_that_would_fill_the_memory_is_refused_unread(tmp_path: Path) -> None:
    torch.save(official(net_of(PLAIN)), tmp_path / "plain.pth")
    packed = zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, bytes(1 << 24) if entry.filename.endswith("data/0") else plain.read(entry))
    with pytest.raises(OptionError, match="compressed or overlap"):
        read_checkpoint(tmp_path / "packed.pth", "plain", PLAIN)


def test_a_checkpoint_of_integers_or_of_nan_is_refused(tmp_path: Path) -> None:
    state = official(net_of(catalogue.ARCHITECTURES["rcan2"]))
    torch.save({key: tensor.long() for key, tensor in state.items()}, tmp_path / "whole.pth")
    with pytest.raises(OptionError, match="isn't a plain tensor of floats"):
        zoo.load("rcan2", tmp_path / "whole.pth")
    torch.save({key: tensor * torch.nan for key, tensor in state.items()}, tmp_path / "nan.pth")
    with pytest.raises(OptionError, match="not finite"):
        zoo.load("rcan2", tmp_path / "nan.pth")
