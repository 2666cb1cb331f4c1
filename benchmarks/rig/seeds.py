"""Write tiny clips in eight containers, each with codecs that are common in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

_RATE = 25
_FRAMES = 20
_SIZE = (64, 48)

_LINES = "1\n00:00:00,040 --> 00:00:00,200\nGood day\n\n2\n00:00:00,240 --> 00:00:00,600\nGood bye\n"


@dataclass(frozen=True)
class _Seed:
    name: str
    video: str
    audio: str
    subtitles: bool = False
    rate: int = 48000
    size: tuple[int, int] = _SIZE


_SEEDS = (
    _Seed("a.mp4", "libx264", "aac"),
    _Seed("a.mkv", "libx264", "libopus", subtitles=True),
    _Seed("a.mov", "mpeg4", "pcm_s16le", rate=8000),
    _Seed("a.webm", "libvpx", "libopus"),
    _Seed("a.ts", "libx264", "aac"),
    _Seed("a.flv", "libx264", "aac", rate=44100),
    _Seed("a.mxf", "mpeg2video", "pcm_s16le"),
    _Seed("a.avi", "mpeg4", "libmp3lame"),
    _Seed("b.mp4", "libx265", "aac"),
    _Seed("b.mkv", "libvpx-vp9", "flac", subtitles=True),
    _Seed("b.mov", "prores_ks", "pcm_s16le", rate=8000),
    _Seed("b.webm", "libvpx-vp9", "libopus"),
    _Seed("b.ts", "mpeg2video", "mp2"),
    _Seed("b.flv", "flv", "libmp3lame", rate=44100),
    _Seed("b.mxf", "libx264", "pcm_s16le"),
    _Seed("b.avi", "mjpeg", "pcm_s16le", rate=8000),
)

_FORMATS = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p", "libx265": "yuv420p10le"}
_HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
_OPTIONS = {
    "libx264": {"preset": "ultrafast", "g": "8"},
    "libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:keyint=8:{_HDR}"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "g": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "g": "8"},
}


def write_seeds(folder: Path) -> list[Path]:
    """Write two clips for each of the eight containers; return the paths, the first clip of every container first."""
    return [_write(folder, seed) for seed in _SEEDS]


def _write(folder: Path, seed: _Seed) -> Path:
    path, subtitles = folder / seed.name, folder / "lines.srt"
    subtitles.write_text(_LINES)
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream(seed.video, rate=_RATE, options=_OPTIONS.get(seed.video, {}))
        video.width, video.height = seed.size
        video.pix_fmt = _FORMATS.get(seed.video, "yuv420p")
        audio: Any = target.add_stream(seed.audio, rate=seed.rate, layout="mono")
        audio.metadata["language"] = "fra"
        with av.open(str(subtitles)) as lines:
            text = target.add_stream_from_template(lines.streams[0], opaque=True) if seed.subtitles else None
            for packet in lines.demux() if text is not None else ():
                if packet.dts is not None:
                    packet.stream = text
                    target.mux(packet)
        for number in range(_FRAMES):
            frame = _picture(number, *seed.size).reformat(format=video.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        for sound in _tone(audio, seed.rate):
            target.mux(audio.encode(sound))
        target.mux(audio.encode(None))
    return path


def _picture(number: int, width: int, height: int) -> av.VideoFrame:
    y, x = np.mgrid[:height, :width]
    planes = [(x * 4 + number * 9) % 256, (y * 5 + number * 3) % 256, (x + y + number * 20) % 256]
    return av.VideoFrame.from_ndarray(np.stack(planes, 2).astype(np.uint8), format="rgb24")


def _tone(stream: Any, rate: int) -> Iterator[av.AudioFrame]:
    resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or 1024)
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate * _FRAMES // _RATE) / rate)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16p", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    yield from resampler.resample(frame)
    yield from resampler.resample(None)
