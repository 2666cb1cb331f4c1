"""Files that break tools: what every one of them becomes. They are not part of the project."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from sr4k import Job, load_preset
from sr4k.errors import InputError

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "awkward"
FILES = sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []
SUFFIXES = {".webm": ".mkv", ".flv": ".mkv", ".h264": ".mkv"}
UNREADABLE = {"ts_pmt_change.ts": "no picture could be decoded"}
CONVERTED = {"nellymoser": "aac"}
"""Codecs that no container carries but their own."""

LEAD_IN = Fraction(1, 10)
"""Seconds that converted sound may begin earlier and end later: the encoder's lead-in and last block."""

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FILES, reason="needs the awkward files, which are not part of the project"),
]

Times = list[Fraction]


def upscale(source: Path, folder: Path) -> Path:
    target = folder / f"out{SUFFIXES.get(source.suffix, source.suffix)}"
    Job(source, target, preset=PRESET.updated("encode", preset="ultrafast", crf=40)).run()
    return target


def pictures(path: Path) -> Times:
    """Times of all that can be decoded, and of those that have one."""
    found: Times = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"  # which shows what the decoder made of damage, and not what it left out
        for packet in container.demux(stream):
            try:
                found += [frame.pts * stream.time_base for frame in stream.decode(packet) if frame.pts is not None]
            except av.error.FFmpegError:
                continue
    return found


def sound(path: Path) -> list[tuple[str, Fraction, Fraction]]:
    """Codec, first and last pts of each audio stream."""
    found: dict[int, Times] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.stream.type == "audio" and packet.pts is not None and packet.size:
                found.setdefault(packet.stream.index, []).append(packet.pts * packet.time_base)
        codecs = {stream.index: stream.codec_context.name for stream in container.streams.audio}
    return [(codecs[index], times[0], max(times)) for index, times in sorted(found.items())]


@pytest.mark.parametrize("source", [f for f in FILES if f.name not in UNREADABLE], ids=lambda path: path.name)
def test_every_picture_and_all_sound_keep_their_time(source: Path, tmp_path: Path) -> None:
    there, target = pictures(source), upscale(source, tmp_path)
    here = pictures(target)
    if there:
        assert here == there
    else:
        assert len(here) > 1, "of frames without a pts"
    for (codec, *times), (was, *before) in zip(sound(target), sound(source), strict=True):
        assert codec == CONVERTED.get(was, was)
        near = LEAD_IN if was in CONVERTED else 0
        assert all(abs(time - other) <= near for time, other in zip(times, before, strict=True))


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_holds_no_picture_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=UNREADABLE[name]):
        upscale(FOLDER / name, tmp_path)
    assert not list(tmp_path.iterdir())
