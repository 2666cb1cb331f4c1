"""Containers that want something of the codec, through the command line."""

import subprocess
import sys
from pathlib import Path

import av
import pytest
from clips import MakeClip, video_times

from sr4k import configs

pytestmark = pytest.mark.slow

PRESETS = Path(configs.__file__).parent
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


def test_a_speed_of_another_encoder_is_refused_if_it_is_typed_and_dropped_if_a_preset_file_has_it(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip, target, preset = make_clip("in.mp4", frames=4), tmp_path / "out.webm", tmp_path / "own.yaml"
    typed = run(clip, target, "--preset", "superfast")
    assert typed.returncode == 2
    assert "takes the preset 0 (slowest) to 13 (fastest), not 'superfast'" in typed.stderr
    assert not target.exists()
    preset.write_text((PRESETS / "file.yaml").read_text() + "  preset: superfast\n")
    dropped = run(clip, target, "-c", preset)
    assert dropped.returncode == 0, dropped.stderr
    assert "so it is av1, and has a speed of its own." in dropped.stderr


@pytest.mark.parametrize(("options", "codec"), [((), "av1"), (("--codec", "hevc"), "hevc")])
def test_small_writes_av1_unless_another_codec_is_named(
    options: tuple[str, ...], codec: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    done = run(make_clip("in.mp4", frames=4), tmp_path / "out.mp4", "-c", "small", *options)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "out.mp4")) as result:
        assert result.streams.video[0].codec_context.codec.canonical_name == codec


def test_a_codec_that_is_named_stays(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip("in.mp4"), tmp_path / "out.webm", "--codec", "h264")
    assert done.returncode == 2
    assert "webm files can't hold h264" in done.stderr
