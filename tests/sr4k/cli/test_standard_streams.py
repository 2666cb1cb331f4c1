import os
import subprocess
import sys
from pathlib import Path

import pytest
from clips import MakeClip

BIN = Path(sys.executable).parent


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_what_the_encoding_of_stdout_lacks_is_escaped(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("ü…😀.mp4", frames=1, audio=False)
    done = shell("sr4k probe ü*.mp4 | iconv -f latin1 -t utf8", tmp_path, PYTHONIOENCODING="latin-1")
    assert r"ü\u2026\U0001f600.mp4" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["0", "1", "99999999"])
def test_a_width_that_no_page_has_is_none(columns: str, tmp_path: Path) -> None:
    usual = shell("sr4k-stream --help", tmp_path, COLUMNS="80")
    odd = shell("sr4k-stream --help", tmp_path, COLUMNS=columns)
    assert odd.stdout == usual.stdout
    assert "Usage: sr4k-stream" in odd.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 5, 6])
def test_a_descriptor_of_our_own_is_none_of_the_callers(number: int, make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", frames=1, audio=False)
    close = "3>&- 4>&- 5>&- 6>&-"
    done = shell(f"sr4k-stream a.mp4 out.mp4 --json --progress json:{number} {close}", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"File descriptor {number} is not open for writing" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("number", "how"), [(1, ""), (9, "9>&1")])
def test_progress_does_not_mix_with_the_summary(number: int, how: str, make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", frames=1, audio=False)
    done = shell(f"sr4k-stream a.mp4 out.mp4 --json --progress json:{number} {how}", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard output, where the summary of --json goes" in done.stderr
