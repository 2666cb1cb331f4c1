"""The store of the user's networks: cards, names and hashes."""

from pathlib import Path

import pytest
from foreign_networks import convolutions, with_card

from sr4k.errors import OptionError
from sr4k.models import catalogue
from sr4k.models.foreign import store
from sr4k.models.foreign.card import Card, read_card

CARD = Card(
    scale=2,
    channels=3,
    peak=1,
    parameters=10,
    macs_per_pixel=100.5,
    bytes_per_pixel=64.0,
    sha256="0" * 64,
    reach=7,
    fixed=(64, 96),
    source='a page, "quoted" \\ 日本語 \U0001f600',
    licence="line one\nline two\x7f",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_card_is_what_was_written() -> None:
    assert read_card(CARD.to_toml(), "card") == CARD


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("scale = 2", "scale = 9"),
        ("form = 1", "form = 99"),
        ("channels = 3", "channels = 'x'"),
        ("peak = 1", "peak = 2"),
    ],
)
def test_a_card_that_can_not_be_is_refused(line: str, instead: str) -> None:
    with pytest.raises(OptionError, match="is no card"):
        read_card(CARD.to_toml().replace(line, instead), "card")
    with pytest.raises(OptionError, match="is no card"):
        read_card("not = [toml", "card")


def test_the_folder_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert store.store_folder() == folder
    monkeypatch.delenv("SR4K_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert store.store_folder() == Path("/data/sr4k-stream/models")


@pytest.mark.parametrize("name", ["", "../up", "a+b", "net.onnx", ".hidden", "a" * 65, "with space"])
def test_some_names_can_not_be(name: str) -> None:
    with pytest.raises(OptionError, match="can't be called"):
        store.check_name(name)


def test_a_network_is_found_by_its_path_and_known_by_its_bytes(tmp_path: Path) -> None:
    path = convolutions(tmp_path / "net.onnx", scale=3)
    assert store.find(str(path)) is None
    with_card(path)
    assert catalogue.figures(str(path)).scale == 3
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    assert catalogue.figures(str(copy)).scale == 3


def test_a_network_that_was_changed_after_it_was_added_is_refused(tmp_path: Path, folder: Path) -> None:
    path = convolutions(tmp_path / "net.onnx")
    card = with_card(path)
    store.keep("net", path, card)
    assert store.names() == ["net"] and catalogue.figures("net") == card
    convolutions(folder / "net.onnx", seed=1)
    with pytest.raises(OptionError, match="not the one that was added"):
        catalogue.figures("net")
    (folder / "net.onnx").unlink()
    with pytest.raises(OptionError, match="can't be read"):
        catalogue.figures("net")
    store.remove("net")
    with pytest.raises(OptionError, match="There is no model 'net'"):
        catalogue.figures("net")


def test_networks_of_a_chain_are_joined_by_plus_signs(tmp_path: Path) -> None:
    assert catalogue.chain("luma") == ("luma",)
    assert catalogue.chain("clean+luma") == ("clean", "luma")
    both = convolutions(tmp_path / "a+b.onnx")
    assert catalogue.chain(str(both)) == (str(both),)
