"""The store of the user's networks: cards, names and hashes."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from foreign_networks import convolutions, with_card

from sr4k.errors import OptionError, OutputError
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
    better = replace(CARD, precision="int8", loss=-0.02)
    assert read_card(better.to_toml(), "card") == better


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("scale = 2", "scale = 9"),
        ("form = 1", "form = 99"),
        ("channels = 3", "channels = 'x'"),
        ("peak = 1", "peak = 2"),
        ("scale = 2", "scale = 2.0"),
        ("scale = 2", "scale = true"),
        ("parameters = 10", "parameters = '10'"),
        ("macs_per_pixel = 100.5", "macs_per_pixel = nan"),
        ("reach = 7", "reach = -1"),
        ("fixed = [64, 96]", "fixed = [64]"),
        ("fixed = [64, 96]", "fixed = 'ab'"),
        ("fixed = [64, 96]", "fixed = [64, 0]"),
        ("deterministic = true", "deterministic = 'no'"),
        ("source = ", "source = 5 #"),
        ("source = ", "colour = "),
    ],
)
def test_a_card_that_can_not_be_is_refused(line: str, instead: str) -> None:
    assert line in CARD.to_toml()
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
    with pytest.raises(OptionError, match="net is a network of yours, and this is for those that ship: luma, "):
        catalogue.architecture("net")
    convolutions(folder / "net.onnx", seed=1)
    with pytest.raises(OptionError, match="not the one that was added"):
        catalogue.figures("net")
    (folder / "net.onnx").unlink()
    with pytest.raises(OptionError, match="can't be read"):
        catalogue.figures("net")
    store.remove("net")
    with pytest.raises(OptionError, match="There is no model 'net'"):
        catalogue.figures("net")


def test_of_many_names_the_nearest_are_told(folder: Path) -> None:
    assert str(store.unknown("clena")) == "There is no network 'clena' of yours. None has been added."
    folder.mkdir()
    (folder / "clean.toml").touch()
    assert str(store.unknown("clena")).endswith("Known: clean.")
    for number in range(30):
        (folder / f"other{number}.toml").touch()
    assert str(store.unknown("clena")).endswith("The nearest: clean; sr4k model list lists all.")
    with pytest.raises(OptionError, match=r"'lumo'\. The nearest: luma.*; sr4k models lists all"):
        catalogue.architecture("lumo")


def test_a_network_whose_file_is_gone_is_named_as_long_as_its_card_is_there(tmp_path: Path, folder: Path) -> None:
    store.make_folder()
    path = convolutions(tmp_path / "net.onnx")
    store.keep("mine", path, with_card(path))
    (folder / "mine.onnx").unlink()
    assert store.names() == ["mine"]
    with pytest.raises(OptionError, match="can't be read"):
        store.find("mine")
    store.remove("mine")
    assert store.names() == []


def test_where_cards_can_not_be_kept_another_folder_can_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(
        os, "access", lambda *_: False
    )  # as on a file system that is read-only; root may write elsewhere
    with pytest.raises(OutputError, match="can't be written to: set SR4K_MODELS to a folder"):
        store.keep_card(CARD)
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "file" / "models"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"can.t be created .*: set SR4K_MODELS to a folder"):
        store.keep_card(CARD)
    assert list(folder.iterdir()) == []


def test_of_two_that_are_kept_under_one_name_the_first_stays(tmp_path: Path) -> None:
    store.make_folder()
    first, other = (convolutions(tmp_path / f"{seed}.onnx", seed=seed) for seed in (0, 1))
    card = with_card(first)
    store.keep("net", first, card)
    with pytest.raises(OptionError, match="There is a network 'net' already"):
        store.keep("net", other, with_card(other))
    assert catalogue.figures("net") == card and other.exists()


@pytest.mark.parametrize("kind", ["deep", "large", "binary", "folder", "pipe"])
def test_a_card_that_would_fill_the_memory_or_wait_for_ever_is_told_in_one_line(kind: str, folder: Path) -> None:
    store.make_folder()
    convolutions(folder / "net.onnx")
    card = folder / "net.toml"
    if kind == "pipe":
        os.mkfifo(card)
    elif kind == "folder":
        card.mkdir()
    else:
        deep, large = b"form = " + b"[" * 50_000, b"form = 1\n#" + bytes(1 << 20)
        card.write_bytes({"deep": deep, "large": large, "binary": b"\xff\xfe"}[kind])
    assert store.names() == ["net"]
    with pytest.raises(OptionError, match=r"net\.toml (can't be read|is no card)") as told:
        store.find("net")
    assert "\n" not in str(told.value)


def test_files_that_someone_else_put_there_are_no_networks_unless_they_could_have_been_added(folder: Path) -> None:
    store.make_folder()
    for name in ("a b", "-x", "../up", "net"):
        for suffix in (".onnx", ".toml"):
            (folder / f"{name}{suffix}").write_bytes(b"x")
    assert store.names() == ["net"]


def test_paths_in_a_chain_may_have_plus_signs(tmp_path: Path) -> None:
    folder = tmp_path / "a+b"
    folder.mkdir()
    clean, other = convolutions(folder / "c+d.onnx", scale=1), convolutions(folder / "e.onnx")
    assert catalogue.chain(f"{clean}+{other}") == (str(clean), str(other))
    assert catalogue.chain(f"clean+{clean}+luma") == ("clean", str(clean), "luma")
    assert catalogue.chain(f"{folder}/none.onnx+luma")[-1] == "luma"
    assert catalogue.chain(f"{'x' * 300}+{'y' * 300}.onnx") == ("x" * 300, "y" * 300 + ".onnx")


def test_networks_of_a_chain_are_joined_by_plus_signs(tmp_path: Path) -> None:
    assert catalogue.chain("luma") == ("luma",)
    assert catalogue.chain("clean+luma") == ("clean", "luma")
    both = convolutions(tmp_path / "a+b.onnx")
    assert catalogue.chain(str(both)) == (str(both),)


def test_a_store_that_is_no_folder_is_told_rather_than_empty(folder: Path) -> None:
    assert store.names() == []
    folder.touch()
    for ask in (store.names, lambda: store.remove("net"), lambda: catalogue.figures("net")):
        with pytest.raises(OptionError, match=f"can't be read: {folder} is no folder. Set SR4K_MODELS"):
            ask()


def test_a_store_that_may_not_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    told = rf"can't be read \(Permission denied\): check the permissions of {folder}\.$"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", refuse)
        with pytest.raises(OptionError, match=told):
            store.names()
    with monkeypatch.context() as patched, pytest.raises(OptionError, match=told):
        patched.setattr(Path, "stat", refuse)
        store.find("net")
