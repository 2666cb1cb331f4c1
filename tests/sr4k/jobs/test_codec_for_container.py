"""Containers that want something of the codec, through the command line."""

import subprocess
import sys
from pathlib import Path

import av
import pytest
from clips import MakeClip, video_times

pytestmark = pytest.mark.slow

NEAREST = ("--engine", "nearest", "--workers", "threads")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "sr4k-stream", *map(str, args), *NEAREST]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_webm_gets_av1_and_opus_by_itself(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mp4")
    done = run(clip, tmp_path / "out.webm", "--preset", "12")
    assert done.returncode == 0, done.stderr
    assert "out.webm: WebM can't hold h264, so it is av1." in done.stderr
    with av.open(str(tmp_path / "out.webm")) as result:
        assert [stream.codec_context.codec.canonical_name for stream in result.streams] == ["av1", "opus"]
    assert video_times(tmp_path / "out.webm") == video_times(clip)


def test_a_codec_that_is_named_stays(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip("in.mp4"), tmp_path / "out.webm", "--codec", "h264")
    assert done.returncode == 2
    assert "webm files can't hold h264" in done.stderr
