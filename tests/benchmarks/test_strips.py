"""The picture of sources, lanczos, networks and truth side by side."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import strips


@pytest.mark.slow
def test_a_row_shows_source_lanczos_network_and_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "ROWS", {"CRF 23": ("chelsea", 23)})
    monkeypatch.setattr(sys, "argv", ["strips.py", "--out", str(tmp_path / "strips.png")])
    strips.main()
    drawn = cv2.imread(str(tmp_path / "strips.png"))
    assert drawn is not None
    source, by_lanczos, network, sharpest, truth = np.split(drawn[24:], 5, axis=1)
    assert np.array_equal(source[::3], source[2::3]), "pixels are enlarged three times"
    apart = [np.abs(made.astype(float) - truth).mean() for made in (source, by_lanczos, network, sharpest)]
    assert apart[2] == min(apart)
    assert not np.array_equal(network, sharpest)


@pytest.mark.slow
def test_old_sources_have_a_picture_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "OLD", {"VHS on DVD": "chelsea"})
    monkeypatch.setattr(sys, "argv", ["strips.py", "--old", "--out", str(tmp_path / "old.png")])
    strips.main()
    drawn = cv2.imread(str(tmp_path / "old.png"))
    assert drawn is not None
    *_, default, restored, truth = np.split(drawn[24:].astype(float), 5, axis=1)
    assert np.square(restored - truth).mean() < np.square(default - truth).mean()
