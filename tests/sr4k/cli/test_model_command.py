"""``sr4k model``: networks are added, listed, shown and removed."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from foreign_networks import convolutions, with_card
from typer.testing import CliRunner

from sr4k.bench import foreign_network
from sr4k.cli.main import app
from sr4k.common.opencv import cv2
from sr4k.engines.openvino_library import shared_core
from sr4k.engines.openvino_models import CPU, half_precisions
from sr4k.models.foreign import store
from sr4k.models.foreign.photographs import photograph


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def with_path(folder: Path) -> str:
    """Write a network that was tested."""
    path = convolutions(folder / "tested.onnx")
    with_card(path)
    return str(path)


def told(*arguments: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, ["model", *arguments])
    assert ran.exit_code == code, ran.output
    return ran.output


@pytest.mark.slow(seconds=2)
def test_a_network_is_added_listed_shown_and_removed(tmp_path: Path, folder: Path) -> None:
    file = convolutions(tmp_path / "net.onnx", scale=3)
    added = told("add", str(file), "--name", "mine", "--licence", "CC0-1.0", "--source", "a page")
    assert "x3" in added and "2 pixels" in added and "--model mine" in added
    assert sorted(path.name for path in folder.iterdir()) == ["mine.onnx", "mine.toml"]
    assert (folder / "mine.onnx").read_bytes() == file.read_bytes()
    assert "| mine " in told("list") and "CC0-1.0" in told("list")
    shown = json.loads(told("show", "mine", "--json"))
    assert (shown["scale"], shown["reach"], shown["licence"], shown["source"]) == (3, 2, "CC0-1.0", "a page")
    assert shown["sha256"] == shown["original_sha256"] == store.hash_of_file(file)
    listed = CliRunner().invoke(app, ["models"]).output
    assert re.search(r"\| mine +\| x3 ", listed) and "| luma (default)" in listed
    assert "already" in told("add", str(file), "--name", "mine", code=2)
    assert "Removed" in told("remove", "mine")
    assert "added no network" in told("list")
    assert list(folder.iterdir()) == []
    assert "There is no network 'mine'" in told("show", "mine", code=2)


@pytest.mark.slow
def test_a_network_is_measured_beside_openvino_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_network, "_AT_LEAST", 0.1)
    file = with_path(tmp_path)
    found = json.loads(told("bench", file, "--size", "540p", "--rounds", "1", "--json"))
    assert (found["width"], found["height"], found["tiles"]) == (960, 540, 1)
    assert found["macs"] == 960 * 540 * 9 * (3 * 8 + 8 * 12)
    assert found["seconds"] > 0 and found["alone"] > 0
    assert [half["precision"] for half in found["halves"]] == half_precisions(shared_core(), CPU)
    assert all(half["seconds"] > 0 and (half["psnr"] is None or half["psnr"] > 40) for half in found["halves"])


@pytest.mark.slow
def test_a_file_that_can_not_be_used_leaves_nothing_behind(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    line = told("add", str(tmp_path / "net.onnx"), code=2)
    assert line.startswith("error: ") and line.count("\n") == 1 and "no ONNX file" in line
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_weights_in_other_files_are_taken_into_one(tmp_path: Path, folder: Path) -> None:
    weights = onnx.load(convolutions(tmp_path / "net.onnx")).graph.initializer[0].raw_data
    model = onnx.load(tmp_path / "net.onnx")
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert (tmp_path / "weights").exists()
    told("add", str(tmp_path / "net.onnx"))
    kept = onnx.load(folder / "net.onnx")
    assert kept.graph.initializer[0].raw_data == weights


def test_names_that_are_taken_or_can_not_be_are_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "none.onnx")
    assert "ships with the package" in told("add", file, "--name", "luma", code=2)
    assert "which stands for the network that is chosen" in told("add", file, "--name", "auto", code=2)
    for name in ("a+b", ".hidden", "..", "a.onnx"):
        assert "with a letter or digit at the beginning" in told("add", file, "--name", name, code=2)
    assert "does not exist" in told("add", file, code=3)
    assert "nope.onnx.gz does not exist" in told("add", str(tmp_path / "nope.onnx.gz"), code=3)
    (tmp_path / "net.onnx.gz").write_text("a network")
    assert "must end in .onnx, .pth" in told("add", str(tmp_path / "net.onnx.gz"), code=2)
    (tmp_path / "net.txt").write_text("a network")
    assert "must end in .onnx, .pth, .pt, .ckpt or .safetensors" in told("add", str(tmp_path / "net.txt"), code=2)
    assert "ships with the package" in told("show", "luma", code=2)
    assert "There is no network 'none'" in told("remove", "none", code=2)


def test_a_network_that_is_not_there_is_told_before_the_name_of_its_int8_form(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["quantize", "a/b", str(tmp_path)])
    assert (ran.exit_code, ran.output.startswith("error: There is no network 'a/b' of yours")) == (2, True)


def test_a_network_whose_name_a_later_version_takes_is_told_and_can_be_removed(tmp_path: Path) -> None:
    store.make_folder()
    path = convolutions(tmp_path / "net.onnx")
    store.keep("luma-large", path, with_card(path))
    assert "takes its place" in told("list")
    assert "Removed" in told("remove", "luma-large")


@pytest.mark.slow(seconds=2)
def test_chains_are_measured_and_other_commands_say_that_they_take_one_network(tmp_path: Path) -> None:
    store.make_folder()
    for name, scale in (("clean", 1), ("double", 2)):
        path = convolutions(tmp_path / "net.onnx", scale=scale, seed=scale)
        store.keep(name, path, with_card(path))
    (tmp_path / "pictures").mkdir()
    picture = 255 * photograph(0, 3, 64, 96).transpose(1, 2, 0)
    assert cv2.imwrite(str(tmp_path / "pictures" / "one.png"), picture)
    models = [part for name in ("double", "clean+double", "clean+luma") for part in ("--model", name)]
    ran = CliRunner().invoke(app, ["eval", str(tmp_path / "pictures"), *models, "--json"])
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert set(found["clean+luma"]["pictures"]) == {"bicubic", "fp32", "int8"}
    assert found["clean+double"]["pictures"]["fp32"] != found["double"]["pictures"]["fp32"]
    refused = CliRunner().invoke(app, ["eval", str(tmp_path / "pictures"), "--model", "double+luma"])
    assert refused.exit_code == 2 and "double can't come before another network" in refused.output
    assert "clean+double are several networks" in told("bench", "clean+double", code=2)


def test_what_can_not_be_exported_is_told_and_no_folder_is_made(tmp_path: Path) -> None:
    assert "No weights of rcan-full ship with the package: it can't be exported" in told(
        "export", "rcan-full", str(tmp_path / "x.onnx"), code=2
    )
    assert "does not exist" in told("export", "luma", str(tmp_path / "nowhere" / "x.onnx"), code=4)
    (tmp_path / "there.onnx").write_bytes(b"precious")
    assert "or add --overwrite" in told("export", "luma", str(tmp_path / "there.onnx"), code=4)
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


_ADDS = """
from sr4k.models.foreign import store
with store.new_files() as folder:
    (folder / "net.onnx").write_bytes(b"half of a network")
    print("ready", flush=True)
    input()
"""


@pytest.mark.slow(seconds=1)
def test_what_a_killed_process_was_adding_is_removed_by_the_next_list(folder: Path) -> None:
    adding = subprocess.Popen([sys.executable, "-c", _ADDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert adding.stdout is not None and adding.stdout.readline() == b"ready\n"
    told("list")
    assert len(list(folder.rglob("net.onnx"))) == 1
    adding.kill()
    adding.communicate()
    told("list")
    assert list(folder.iterdir()) == []


def test_a_damaged_network_is_told_beside_the_others(folder: Path) -> None:
    folder.mkdir()
    (folder / "bad.onnx").write_bytes(b"x")
    (folder / "bad.toml").write_text("form = 1")
    assert "is no card" in told("list")
    listed = CliRunner().invoke(app, ["models"]).output
    assert "damaged" in listed and not re.search(r"bad +\| x?0", listed)


def test_the_terms_of_a_network_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    store.make_folder()
    path = convolutions(tmp_path / "net.onnx")
    store.keep("mine", path, replace(with_card(path), licence="\x1b[31mred\x07"))
    assert r"\u001b[31mred\u0007" in told("list") and r"\u001b[31mred\u0007" in told("show", "mine")
