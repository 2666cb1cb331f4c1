"""``sr4k train`` refuses what it can't do before it begins, and says how to go on where it had to stop."""

import re
from pathlib import Path
from typing import Any

import pytest
from skimage import data as pictures
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.common.opencv import cv2
from sr4k.models import zoo


def train(*args: object) -> Any:
    return CliRunner().invoke(app, ["train", *map(str, args)])


@pytest.mark.parametrize("out", [".", "run", "deep/run", "../pictures/run"])
def test_the_plot_of_a_run_does_not_join_the_pictures_that_are_trained_on(out: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    for arguments in ([other, pictures], [other, "--validate", pictures]):
        done = train(*arguments, "--out", pictures / out)
        assert done.exit_code == 2
        assert "--out" in done.stderr and f"lies in {pictures}" in done.stderr
        assert [*pictures.iterdir()] == []


def test_a_run_may_lie_beside_the_pictures(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    done = train(tmp_path / "pictures", "--out", tmp_path / "pictures-run", "--config", "nope")
    assert done.exit_code == 2
    assert "no recipe 'nope'" in done.stderr


@pytest.mark.parametrize(
    "command",
    [["train", "pictures"], ["quantize", "rcan.pth", "pictures", "--model", "rcan"], ["bench"]],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_folder_that_can_not_be_made_is_refused_before_the_work(
    command: list[str], out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    Path("pictures").mkdir()
    Path("file").write_bytes(b"")
    done = CliRunner().invoke(app, [*command, "--out", out])
    assert done.exit_code == 4
    assert re.fullmatch(r"error: \S+/file is a file: it can't be the folder of .*\.", " ".join(done.stderr.split()))


def test_a_checkpoint_is_not_calibrated_for_a_folder_that_can_not_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from sr4k.models.training import calibrate

    monkeypatch.setattr(calibrate, "calibrate", None)
    zoo.save(tmp_path, zoo.load("luma-fast"))
    weights = str(tmp_path / "luma-fast.safetensors")
    done = CliRunner().invoke(app, ["quantize", weights, "pictures", "--model", "luma-fast", "--out", "/proc/out"])
    assert done.exit_code == 4 and "/proc" in done.stderr


def test_a_seed_that_is_negative_is_refused(tmp_path: Path) -> None:
    done = train(tmp_path, "--out", tmp_path.with_name("run"), "--seed", -1)
    assert done.exit_code == 2
    assert "--seed" in done.stderr


@pytest.mark.slow(seconds=2)
def test_a_run_that_can_not_be_written_says_how_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "pictures").mkdir()
    assert cv2.imwrite(str(tmp_path / "pictures" / "a.png"), pictures.astronaut()[:256, :256])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "float").write_bytes(b"")
    done = train(tmp_path / "pictures", "--out", tmp_path / "run", "--config", "luma", "--steps", 1, "--batch", 1)
    assert done.exit_code == 4
    assert re.search(r"can't be written \(.*\)\. .*run it again to continue", " ".join(done.stderr.split()))


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_that_is_cut_off_is_named_and_not_learned_from(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    (tmp_path / "pictures").mkdir()
    data = cv2.imencode(suffix, pictures.astronaut()[:256, :256])[1].tobytes()
    (tmp_path / "pictures" / f"a{suffix}").write_bytes(data)
    (tmp_path / "pictures" / f"half{suffix}").write_bytes(data[: len(data) // 2])
    done = train(tmp_path / "pictures", "--out", tmp_path / "run", "--config", "luma", "--steps", 1, "--batch", 1)
    assert done.exit_code == 3
    assert done.stderr.startswith(f"error: {tmp_path / 'pictures' / 'half'}{suffix} ") and "Take it out" in done.stderr
    assert done.stderr.count("\n") == 1
    assert capfd.readouterr() == ("", "")
