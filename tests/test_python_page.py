"""The programs in ``docs/python.md`` about files and live streams run as they stand, one after the other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from clips import MakeClip

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.mark.slow
def test_programs_on_files_and_live_streams_run_as_they_stand(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("in.mp4", "in.mkv"):
        make_clip(name, frames=2, size=(640, 360)).rename(tmp_path / name)
    section = PAGE.read_text().partition("## Files and live streams")[2]
    programs = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(programs) == 3
    (tmp_path / "programs.py").write_text("\n\n".join(programs))
    done = subprocess.run(
        [sys.executable, "-W", "error", "programs.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "upscaled.mkv 2 []" in lines and "[2, 2]" in lines and lines[-1].endswith("restarted 0 times")
