"""Old sources made of clean clips, and what upscalers gain on them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import restore
from skimage import data

from rig import old_sources
from rig.compressed import LOSSLESS, pictures, write
from rig.old_sources import SOURCES, VHS, filtered


def scene(frames: int = 3, side: int = 128) -> Iterator[av.VideoFrame]:
    photograph = data.astronaut()[60:260, 150:350]
    for k in range(frames):
        view = np.ascontiguousarray(photograph[2 * k : 2 * k + side, 2 * k : 2 * k + side])
        yield av.VideoFrame.from_ndarray(view, format="rgb24").reformat(format="yuv420p")


def luma_of(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="yuv420p")[: frame.height].astype(float)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_keeps_the_frames_and_damages_them(kind: str, tmp_path: Path) -> None:
    SOURCES[kind].make(tmp_path / "old.mkv", scene())
    with av.open(str(tmp_path / "old.mkv")) as container:
        assert container.streams.video[0].codec_context.name == {"libx264": "h264"}.get(
            SOURCES[kind].encoders[-1][0], SOURCES[kind].encoders[-1][0]
        )
    errors = [
        np.sqrt(np.square(luma_of(old) - luma_of(frame)).mean())
        for old, frame in zip(pictures(tmp_path / "old.mkv"), scene(), strict=True)
    ]
    assert all(1.5 < error < 20 for error in errors)


def test_a_tape_has_noise_of_four_levels_and_less_detail_along_its_lines() -> None:
    grey = [av.VideoFrame.from_ndarray(np.full((144, 96), 128, np.uint8), format="yuv420p") for _ in range(2)]
    one, other = (luma_of(frame) for frame in filtered(grey, VHS))
    assert one.std() == pytest.approx(4, abs=1)
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1
    quiet = {name: options for name, options in VHS.items() if name != "noise"}
    (before,), (after,) = list(scene(1)), list(filtered(scene(1), quiet))
    lost = [
        np.abs(np.diff(luma_of(before), 2, axis)).mean() - np.abs(np.diff(luma_of(after), 2, axis)).mean()
        for axis in (0, 1)
    ]
    assert lost[1] > lost[0] + 1


@pytest.mark.slow(seconds=1)
def test_rows_are_measured_once_and_shown_by_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "clip.mkv", scene(2), "libx264", LOSSLESS)
    monkeypatch.setattr(restore, "SOURCES", {"DivX": old_sources.SOURCES["DivX"]})
    args = ["restore.py", "--clips", str(tmp_path / "clip.mkv"), "--models", "luma", "--frames", "2"]
    monkeypatch.setattr(sys, "argv", [*args, "--results", str(tmp_path / "results")])
    restore.main()
    stored = json.loads((tmp_path / "results" / "restore.json").read_text())["rows"]
    assert [row["upscaler"] for row in stored] == ["lanczos", "luma"]
    page = (tmp_path / "results" / "restore.md").read_text()
    assert f"| DivX | {stored[0]['PSNR']:.2f} | {stored[1]['PSNR'] - stored[0]['PSNR']:+.2f} |" in page
    monkeypatch.setattr(restore, "judged", lambda *_, **__: pytest.fail("measured again") if _[2] else [])
    restore.main()
    monkeypatch.setattr(restore, "judged", lambda *_, **__: [])
    monkeypatch.setattr(sys, "argv", [*args, "--models", "luma-fast", "--results", str(tmp_path / "results")])
    restore.main()
    assert json.loads((tmp_path / "results" / "restore.json").read_text())["rows"] == stored
    monkeypatch.setattr(sys, "argv", [*args, "--frames", "1", "--results", str(tmp_path / "results")])
    with pytest.raises(SystemExit, match="holds 2 rows of other clips"):
        restore.main()
