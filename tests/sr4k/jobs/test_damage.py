"""Damaged files through the command line: what it says, what it leaves, how it ends."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clips import MakeClip, video_times

pytestmark = pytest.mark.slow

COMMAND = [Path(sys.executable).parent / "sr4k-stream"]
NEAREST = ("--engine", "nearest", "--preset", "ultrafast", "--workers", "threads")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def damaged(make_clip: MakeClip) -> Path:
    """Zeros in two places of the pictures."""
    clip = make_clip("in.mp4", frames=60, options={"g": "10", "preset": "ultrafast", "bf": "0"}, audio=False)
    data = bytearray(clip.read_bytes())
    for share in (0.3, 0.7):
        at = int(len(data) * share)
        data[at : at + 300] = bytes(300)
    clip.write_bytes(data)
    return clip


def test_losses_are_listed_and_the_exit_code_tells(damaged: Path, tmp_path: Path) -> None:
    done = run(damaged, tmp_path / "out.mp4", *NEAREST)
    assert done.returncode == 9, done.stderr
    told = done.stderr.splitlines()
    warned = next(k for k, line in enumerate(told) if line.startswith("warning: the source is damaged: "))
    places = told[warned + 1 :]
    summary = json.loads(run(damaged, tmp_path / "b.mp4", *NEAREST, "--json").stdout)
    assert summary["damaged"]
    assert 2 <= len(summary["losses"]["places"]) == len(places)
    assert all(re.match(r"  0:00:0\d\.\d\d( to 0:00:0\d\.\d\d)?: \d+ \w+ \w+", line) for line in places), places
    assert summary["frames"] == len(video_times(tmp_path / "out.mp4")) > 40


def test_strict_leaves_one_line_and_no_output(damaged: Path, tmp_path: Path) -> None:
    done = run(damaged, tmp_path / "out.mp4", *NEAREST, "--strict", "--quiet")
    assert done.returncode == 3
    assert "in.mp4 is damaged at" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_strict_lets_a_clean_file_pass(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip("in.mkv"), tmp_path / "out.mkv", *NEAREST, "--strict")
    assert done.returncode == 0, done.stderr
