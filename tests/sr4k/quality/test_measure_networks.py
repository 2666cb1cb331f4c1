import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.quality.protocol import bicubic
from sr4k.quality import measure_networks


def test_a_large_folder_takes_no_more_memory_than_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, sheet, pictures = tmp_path / "pictures", tmp_path / "sheet.png", 5
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(pictures):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (64, 80, 3), np.uint8))
    made: list[weakref.ref[NDArray[np.uint8]]] = []
    alive = []

    def upscale(low: NDArray[np.uint8]) -> NDArray[np.uint8]:
        alive.append(sum(each() is not None for each in made))
        result = bicubic(low).copy()
        made.append(weakref.ref(result))
        return result

    monkeypatch.setattr(measure_networks, "upscaler", lambda *_, **__: upscale)
    measured = measure_networks.evaluate_networks([folder], ["luma"], None, "usual", sheet=sheet)
    of_folder = measured["luma"]["pictures"]
    assert of_folder["int8"] == of_folder["bicubic"]
    drawn = cv2.imread(str(sheet))
    assert drawn is not None
    assert (drawn.shape[0] // 312, drawn.shape[1] // 288) == (pictures, len(of_folder) + 1)
    assert len(alive) == 2 * pictures
    assert max(alive) <= 3  # of the picture before, until the next is whole, and one of this picture
