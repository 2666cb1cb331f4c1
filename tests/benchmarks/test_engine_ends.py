"""The benchmark of the graph's ends, in its shortest form."""

import json
from pathlib import Path

import engine_ends
import pytest

from sr4k.bench import InputSize


@pytest.mark.slow(seconds=2)
def test_it_compares_all_forms_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InputSize, "pixels", (64, 36))
    engine_ends.main(["--models", "luma-fast", "--rounds", "1", "--results", str(tmp_path)])
    found = json.loads((tmp_path / "engine_ends.json").read_text())["models"]["luma-fast"]
    assert list(found) == [*engine_ends.FORMS, engine_ends.NO_CHROMA]
    assert all(rate > 0 for rates in found.values() for rate in rates)
    assert f"| {engine_ends.NO_CHROMA} |" in (tmp_path / "engine_ends.md").read_text()
