"""Our own networks run in other programs, with the same picture."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from skimage import data as pictures
from typer.testing import CliRunner

from sr4k import Upscaler
from sr4k.cli.main import app
from sr4k.models import zoo
from sr4k.models.plain_export import to_plain_onnx

PHOTO = np.ascontiguousarray(pictures.astronaut()[30:80, 170:240])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["luma", "luma-large", "rcan2"])
def test_onnx_runtime_makes_the_same_picture_within_a_level(model: str) -> None:
    graph = to_plain_onnx(zoo.load(model).folded(None), {"licence": "as it is"}).SerializeToString()
    session = onnxruntime.InferenceSession(graph)
    with Upscaler(model, precision="fp32") as up:
        for rows, columns in ((50, 70), (33, 47)):
            picture = PHOTO[:rows, :columns]
            pixels = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255
            (made,) = session.run(None, {"pixels": pixels})
            assert made.shape == (1, 3, 2 * rows, 2 * columns)
            levels = np.rint(255 * made[0].transpose(1, 2, 0)).astype(int)
            assert np.abs(levels - up(picture)).max() <= 1


@pytest.mark.slow
def test_the_command_writes_it_and_it_can_be_added_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))

    def told(*arguments: str, code: int = 0) -> str:
        ran = CliRunner().invoke(app, ["model", *arguments])
        assert ran.exit_code == code, ran.output
        return ran.output

    file = str(tmp_path / "luma.onnx")
    assert "luma" in told("export", "luma", file)
    assert "exists: choose another name, or add --overwrite" in told("export", "luma", file, code=4)
    assert "has to end in .onnx" in told("export", "luma", str(tmp_path / "luma.txt"), code=2)
    added = told("add", file, "--name", "ours")
    assert "x2" in added and "multiples" not in added
    told("export", "ours", str(tmp_path / "again.onnx"))
    assert (tmp_path / "again.onnx").read_bytes() == Path(file).read_bytes()
