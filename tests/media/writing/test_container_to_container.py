"""Eight containers in, five out: what becomes of pictures, sound and subtitles."""

from pathlib import Path

import av
import pytest
from clips import video_times

from rig.seeds import write_seeds
from sr4k import Job, load_preset

pytestmark = pytest.mark.slow

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")

SOUND = {
    "mp4": {".mp4": "aac", ".mkv": "aac", ".mov": "aac", ".webm": "opus", ".ts": "aac"},
    "mkv": {".mp4": "opus", ".mkv": "opus", ".mov": "aac", ".webm": "opus", ".ts": "opus"},
    "mov": {".mp4": "pcm_s16le", ".mkv": "pcm_s16le", ".mov": "pcm_s16le", ".webm": "opus", ".ts": "aac"},
    "webm": {".mp4": "opus", ".mkv": "opus", ".mov": "aac", ".webm": "opus", ".ts": "opus"},
    "ts": {".mp4": "aac", ".mkv": "aac", ".mov": "aac", ".webm": "opus", ".ts": "aac"},
    "flv": {".mp4": "aac", ".mkv": "aac", ".mov": "aac", ".webm": "opus", ".ts": "aac"},
    "mxf": {".mp4": "pcm_s16le", ".mkv": "pcm_s16le", ".mov": "pcm_s16le", ".webm": "opus", ".ts": "aac"},
    "avi": {".mp4": "mp3", ".mkv": "mp3", ".mov": "mp3", ".webm": "opus", ".ts": "mp3"},
}
"""Expected codecs by source and target: what a container can hold is copied."""

LINES = {"mkv": {".mp4": "mov_text", ".mkv": "subrip", ".mov": "mov_text", ".webm": "webvtt", ".ts": None}}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    paths = write_seeds(tmp_path_factory.mktemp("clips"))
    return {path.suffix[1:]: path for path in paths if path.stem == "a"}


@pytest.mark.parametrize("target", [".mp4", ".mkv", ".mov", ".webm", ".ts"])
@pytest.mark.parametrize("source", SOUND)
def test_every_container_into_every_other(source: str, target: str, clips: dict[str, Path], tmp_path: Path) -> None:
    clip, out = clips[source], tmp_path / f"out{target}"
    codec, speed = ("av1", "12") if target == ".webm" else ("h264", "ultrafast")
    summary = Job(clip, out, preset=PRESET.updated("encode", codec=codec, preset=speed)).run()
    assert not summary.damaged, summary.losses
    assert [float(time) for time in video_times(out)] == pytest.approx([*map(float, video_times(clip))], abs=0.001)
    with av.open(str(out)) as result:
        found = {s.type: s.codec_context.codec.canonical_name for s in result.streams if s.codec_context is not None}
    lines = LINES.get(source, {}).get(target)
    assert found == {"video": codec, "audio": SOUND[source][target]} | ({"subtitle": lines} if lines else {})
    lost = [what for what in summary.left_out if "(data" not in what]
    assert len(lost) == (1 if source in LINES and lines is None else 0), summary.left_out
