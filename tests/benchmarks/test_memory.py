"""The benchmark of frames in memory, in its shortest form."""

import json
from pathlib import Path

import memory
import pytest

from sr4k.bench import InputSize


@pytest.mark.slow(seconds=1)
def test_it_compares_both_forms_with_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InputSize, "pixels", (64, 36))
    memory.main(["--frames", "2", "--rounds", "2", "--results", str(tmp_path)])
    result = json.loads((tmp_path / "memory.json").read_text())
    assert set(result["forms"]) == {"planes", "RGB"}
    for rows in result["forms"].values():
        assert [set(row) for row in rows] == [{"engine", "memory"}] * 2
        assert all(side[clock] > 0 for row in rows for side in row.values() for clock in ("wall", "cpu"))
    page = (tmp_path / "memory.md").read_text()
    assert "| planes |" in page and "| RGB |" in page


def test_a_ratio_is_of_throughputs() -> None:
    row = {"engine": {"wall": 0.9, "cpu": 1.0}, "memory": {"wall": 1.0, "cpu": 2.0}}
    assert memory.ratios(row) == {"wall": 0.9, "cpu": 0.5}
    assert memory.share([row], "wall").startswith("**90%**")
