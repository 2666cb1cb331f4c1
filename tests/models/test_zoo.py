from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sr4k.errors import OptionError
from sr4k.models import zoo


def test_the_shipped_model_is_trained_and_fits_its_architecture() -> None:
    model = zoo.load()
    assert sum(w.size for w in model.weights.values()) == model.arch.parameters()
    assert np.abs(model.weights["body.2.weight"]).max() > 0.01, "still as it was initialised"


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_every_model_ships_with_a_card(name: str) -> None:
    card = (Path(str(zoo.files("sr4k.models.weights"))) / f"{name}.md").read_text()
    for word in ("Data", "Licence", "steps", "Set5", "sr4k train"):
        assert word in card


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match=r"no model 'rcan9'. Known: rcan2"):
        zoo.load("rcan9")


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rcan2.safetensors").write_bytes(b"rubbish")
    with pytest.raises(OptionError, match="can't be read as safetensors"):
        zoo.load("rcan2", tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"head.weight": np.zeros((16, 3, 3, 3), np.float32)}, tmp_path / "rcan2.safetensors")
    with pytest.raises(OptionError, match="holds 432 parameters; rcan2 has 63547"):
        zoo.load("rcan2", tmp_path)
