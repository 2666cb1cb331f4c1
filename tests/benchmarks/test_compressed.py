"""Measuring upscalers on compressed video: their gains over lanczos, cell by cell."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import compressed_video
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rig.compressed import CODECS, MEASURES, Cell, by_luma, cut, deployed, judge
from rig.compressed_report import as_markdown, gains, plot
from rig.kept_rows import has_these_weights


def scene() -> Iterator[av.VideoFrame]:
    """Blobs that move, three frames of 130 x 98."""
    wall = np.kron(np.random.default_rng(0).integers(40, 210, (15, 20)), np.ones((8, 8))).astype(np.uint8)
    wall = cv2.GaussianBlur(wall, (0, 0), 0.7)
    for number in range(3):
        view = np.ascontiguousarray(wall[number : number + 98, number : number + 130])
        gray = av.VideoFrame.from_ndarray(np.stack([view] * 3, axis=-1), format="rgb24")
        yield gray.reformat(format="yuv420p")


def doubled(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return luma.repeat(2, axis=0).repeat(2, axis=1)


def cubic(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(luma, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("codec", CODECS)
def test_upscalers_are_judged_against_lanczos(codec: str) -> None:
    upscalers = {"doubled": by_luma(doubled), "cubic": by_luma(cubic)}
    rows = list(judge({"scene": scene}, upscalers, [Cell("area", codec, 18)], frames=2))
    assert [row["upscaler"] for row in rows] == ["lanczos", "doubled", "cubic"]
    assert {row["frames"] for row in rows} == {2}
    found = {row["upscaler"]: row["PSNR"] for row in gains(rows)}
    assert found["doubled"] < -1 < -0.8 < found["cubic"] < 0.8


@pytest.mark.slow(seconds=1)
def test_more_compression_is_worse_and_what_is_there_is_left_out() -> None:
    cells = [Cell("bicubic", "libx264", crf) for crf in (18, 33)]
    rows = list(judge({"scene": scene}, {}, cells, frames=3))
    assert rows[0]["PSNR"] > rows[1]["PSNR"] + 1
    again = judge({"scene": scene}, {}, cells, frames=3, done=lambda _, cell, __: cell.crf == 18)
    assert list(again) == rows[1:]


@pytest.mark.slow(seconds=1)
def test_a_network_runs_as_it_is_deployed() -> None:
    rows = list(judge({"scene": scene}, {"luma": deployed("luma")}, [Cell("bicubic", "libx264", 18)], frames=2))
    (gain,) = gains(rows)
    assert gain["PSNR"] > 0
    assert gain["frames"] == 2


def test_the_best_quality_is_never_taken_for_the_default() -> None:
    assert [Cell("area", codec, 0).options()["crf"] for codec in CODECS] == ["0", "0", "1"], "libav takes 0 as unset"


def test_sides_are_cut_to_what_can_be_halved_twice() -> None:
    frame = next(scene())
    less = cut(frame)
    assert (less.width, less.height) == (128, 96)
    assert np.array_equal(less.to_ndarray(format="gray"), frame.to_ndarray(format="gray")[:96, :128])


def row(clip: str, crf: int, upscaler: str, value: float, *, compressed: bool = False) -> dict[str, Any]:
    about = {"clip": clip, "scaler": "area", "codec": "libx264", "crf": crf, "upscaler": upscaler, "frames": 4}
    return about | {"compressed": compressed, "asked": 4, "weights": ""} | dict.fromkeys(MEASURES, value)


ROWS = [
    *(row("a", 18, name, value) for name, value in (("lanczos", 30.0), ("x", 32.0), ("y", 29.75))),
    *(row("b", 28, name, value) for name, value in (("lanczos", 20.0), ("x", 19.5), ("y", 21.0))),
    *(row("c", 28, name, value, compressed=True) for name, value in (("lanczos", 40.0), ("x", 39.0), ("y", 40.0))),
]


@pytest.mark.slow(seconds=1)
def test_the_page_has_means_and_the_worst_cell_of_each_kind_of_truth(tmp_path: Path) -> None:
    clean, compressed = as_markdown(ROWS, "the command", "All of it.").split("## Compressed ground truth")
    assert "| **all** | 2 | 25.00 | +0.75 | +0.38 |" in clean
    assert "| 18 | 1 | 30.00 | +2.00 | -0.25 |" in clean
    assert "| x | -0.50 (b, area, libx264, CRF 28) |" in clean
    assert "| y | -0.25 (a, area, libx264, CRF 18) |" in clean
    assert "| **all** | 1 | 40.00 | -1.00 | +0.00 |" in compressed
    plot(ROWS, tmp_path / "gain.png")
    assert (tmp_path / "gain.png").stat().st_size > 1000


def test_rows_of_other_weights_are_measured_again() -> None:
    kept = row("a", 18, "lanczos", 1.0)
    network = row("a", 18, "luma", 1.0) | {"weights": compressed_video.digest("luma")}
    rows = [kept, network, network | {"weights": "old"}]
    assert [r for r in rows if has_these_weights(r)] == [kept, network]


@pytest.mark.parametrize("change", [{"asked": 5}, {"clip": "b"}, {"crf": 23}])
def test_rows_that_were_not_asked_for_are_never_lost(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "compressed_video.json"
    stored.write_text(
        json.dumps({"rows": [row("a", 18, "lanczos", 1.0) | {"asked": 4}, row("a", 18, "lanczos", 1.0) | change]})
    )
    before = stored.read_text()
    words = ["--clips", "a.mkv", "--frames", "4", "--crf", "18", "--scalers", "area", "--codecs", "libx264"]
    monkeypatch.setattr(sys, "argv", ["x", *words, "--results", str(tmp_path)])
    with pytest.raises(SystemExit, match="holds 1 rows of other clips"):
        compressed_video.main()
    assert stored.read_text() == before
