"""``sr4k train`` refuses what it can't do before it begins."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sr4k.cli.main import app


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
