"""Write clips for tests, and read timestamps, packets and pixels of files back."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

MakeClip = Callable[..., Path]


def write_clip(
    path: Path,
    *,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    pts: list[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    rate: int = 25,
    audio: bool = True,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    context: dict[str, int] | None = None,
    sample_aspect_ratio: Fraction | None = None,
    display_matrix: list[int] | None = None,
    metadata: dict[str, str] | None = None,
    chapters: bool = False,
    attachment: bytes | None = None,
) -> Path:
    """Write a clip of `picture` with a tone, as the arguments say; return its path."""
    with av.open(str(path), "w") as target:
        target.metadata.update(metadata or {})
        video = target.add_stream(codec, rate=rate, options=options or {"crf": "10", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        video.codec_context.time_base = video.time_base = time_base
        for key, value in (context or {}).items():
            setattr(video.codec_context, key, value)
        if sample_aspect_ratio:
            video.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if display_matrix:
            video.set_display_matrix(display_matrix)
        sound = target.add_stream("aac", rate=48000, layout="stereo") if audio else None
        if sound is not None:
            sound.metadata["language"] = "fra"
        if attachment is not None:
            target.add_attachment("font.ttf", "font/ttf", attachment)
        if chapters:
            target.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
                    {
                        "id": 2,
                        "start": 200,
                        "end": 400,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": "Two"},
                    },
                ]
            )
        step = round(1 / (rate * time_base))
        times = pts or [k * step for k in range(frames)]
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = time, time_base
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        if sound is not None:
            for packet in _tone(sound, seconds=float(times[-1] * time_base) + 1 / rate):
                target.mux(packet)
    return path


def picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return a moving pattern, uint8 RGB (height, width, 3)."""
    y, x = np.ogrid[:height, :width]
    made = np.empty((height, width, 3), np.uint8)
    made[..., 0] = 128 + 100 * np.sin(((x - 3 * number) ** 2 + y**2) / 60)
    made[..., 1] = x * 255 // width
    made[..., 2] = (y * 255 // height + 5 * number) % 256
    return made


def blank(width: int, height: int, pix_fmt: str = "yuv420p") -> av.VideoFrame:
    """Return a picture of zeros: a new `av.VideoFrame` shows what happened to be in memory."""
    frame = av.VideoFrame(width, height, pix_fmt)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame


def _tone(stream: av.AudioStream, *, seconds: float) -> Iterator[av.Packet]:
    for block in range(max(1, int(seconds * 48000) // 1024)):
        t = (block * 1024 + np.arange(1024)) / 48000
        samples = np.tile((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), (2, 1))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, block * 1024, Fraction(1, 48000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def video_times(path: Path) -> list[Fraction]:
    """Return the time of every video frame, in seconds, in order."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return [frame.pts * Fraction(stream.time_base) for frame in source.decode(stream)]


def packet_bytes(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Return time in seconds and payload of every packet of the first stream of a type."""
    with av.open(str(path)) as source:
        stream = next(s for s in source.streams if s.type == kind)
        return [(p.pts * Fraction(p.time_base), bytes(p)) for p in source.demux(stream) if p.pts is not None]


def luma_planes(path: Path) -> list[NDArray[np.uint8]]:
    """Return the Y plane of every frame, uint8 (H, W)."""
    with av.open(str(path)) as source:
        planes = [(frame.height, frame.width, frame.planes[0]) for frame in source.decode(video=0)]
        rows = [np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size)[:h, :w] for h, w, p in planes]
        return [plane.copy() for plane in rows]
