"""A run goes on without what its history has lost, of which its plot alone is made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from skimage import data as pictures

torch = pytest.importorskip("torch")

from sr4k.models import zoo  # noqa: E402
from sr4k.models.training.history import HISTORY, read_history, write_history  # noqa: E402
from sr4k.models.training.plot_history import plot_history  # noqa: E402
from sr4k.models.training.recipe import Recipe  # noqa: E402
from sr4k.models.training.run import train_model  # noqa: E402

RECIPE = Recipe.model_validate(
    {"model": "luma", "steps": 2, "batch": 1, "patch": 16, "every": 1, "warm_up": 1, "int8": {"steps": 1}}
)
GOOD = {"step": 2, "mae": 1.5, "psnr_y": {"Set5": 30.0}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    assert cv2.imwrite(str(folder / "astronaut.png"), pictures.astronaut()[:64, :64, ::-1])
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    train_model(RECIPE, [folder], out, validate=[])
    return out


DAMAGES: list[Callable[[Path], object]] = [
    lambda path: path.unlink(),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\xff\xfe\x00 rubbish\n"),
    lambda path: path.write_text('{"step": 1}\n[1]\n5\n'),
    lambda path: path.write_text(
        '{"step": 1, "mae": "high", "psnr_y": {}}\n{"step": 1, "mae": 1, "psnr_y": {"a": []}}'
    ),
]


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("part", ["float", "int8"])
@pytest.mark.parametrize("damage", DAMAGES, ids=["missing", "empty", "binary", "other", "wrong"])
def test_a_run_without_its_history_is_finished_as_before(
    part: str,
    damage: Callable[[Path], object],
    folder: Path,
    finished: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    damage(out / part / HISTORY)
    for path in zoo.files_of(out, "luma"):
        path.unlink()
    (out / "training.png").unlink()
    train_model(RECIPE, [folder], out, validate=[])
    for path, before in zip(zoo.files_of(out, "luma"), zoo.files_of(finished, "luma"), strict=True):
        assert path.read_bytes() == before.read_bytes()
    assert cv2.imread(str(out / "training.png")) is not None
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        f"{out / part / HISTORY} is missing, empty or damaged: the plot lacks what it told; the weights are whole."
    ]


def test_a_history_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    assert read_history(path) == ([], True)
    write_history(path, [GOOD, GOOD])
    assert read_history(path) == ([GOOD, GOOD], True)
    path.write_text(path.read_text() + '{"step": 9')
    assert read_history(path) == ([GOOD, GOOD], False)


def test_a_run_that_was_continued_with_other_test_pictures_is_plotted(tmp_path: Path) -> None:
    scores = ({"Set5": 30.0}, {}, {"Set14": 28.0, "Set5": 31.0})
    write_history(tmp_path / HISTORY, [{**GOOD, "step": k, "psnr_y": found} for k, found in enumerate(scores)])
    plot_history([tmp_path / "gone", tmp_path / HISTORY], tmp_path / "plot.png")
    assert cv2.imread(str(tmp_path / "plot.png")) is not None
