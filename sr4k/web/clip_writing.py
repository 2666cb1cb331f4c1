"""Ten seconds of a video in several ways, to compare them in a browser. It runs in a process of its own.

Each clip is H.264 in MP4, 8 bits, 4:2:0 and without sound, which every browser plays; all have one size and the same
pictures at the same times.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType

from sr4k.jobs.file_job import Job
from sr4k.jobs.file_progress import Progress
from sr4k.media.options import EncoderSettings, ReadSettings, TimeSpan
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reading.reader import VideoReader
from sr4k.media.scaling import Scaler
from sr4k.media.writing.encoder import add_video, open_encoder, tag
from sr4k.web.trying import LANCZOS

SECONDS = 10
"""Length of a clip, of which fewer may be left in the video."""

Tell = Callable[[dict[str, Any]], None]

_Size = tuple[int, int]

_NETWORK, _PLAIN = 4, 1
"""How long a clip takes by a network and without one, as parts of the whole."""

_LARGEST = 3840, 2160
"""Pixels of the largest clip: what browsers can be trusted to play."""

_QUALITY = EncoderSettings(codec="h264", crf=14, preset="veryfast")
_FASTSTART = {"movflags": "+faststart"}


def clips_of(tell: Tell, source: str, at: float, models: list[str], folder: str) -> dict[str, Any]:
    """Write a clip of a video by each network, and one by interpolation: ``NAME.mp4``, ``lanczos.mp4``.

    Args:
        tell: gets ``{"share": 0 to 1}``.
        source: path of a video.
        at: time in seconds from its beginning.
        models: networks by name; the first one's result sets the size.
        folder: that they are written to.

    Returns:
        Sizes of the clips and of the source in pixels, and the seconds that the clips last.

    Raises:
        InputError: there is nothing at that time.
        Sr4kError: the video can't be read, or a network can't be run.
    """
    part, there = _part(at), Path(folder)
    before = _size(ReadSettings(path=Path(source), part=part))
    is_large = 2 * max(before) > max(_LARGEST) or 2 * min(before) > min(_LARGEST)
    size: _Size | None = None
    whole = _NETWORK * len(models) + _PLAIN
    for number, name in enumerate(models):
        work = there / f"{name}.whole.mp4"

        def told(progress: Progress, done: int = number) -> None:
            tell({"share": _NETWORK * (done + 0.8 * min(1.0, progress.seconds / SECONDS)) / whole})

        Job(
            source,
            work,
            part=part,
            model=name,
            size="4k" if is_large else None,
            codec="h264",
            crf=_QUALITY.crf,
            speed=_QUALITY.preset,
        ).run(on_progress=told)
        size = size or _size(ReadSettings(path=work))
        _playable(ReadSettings(path=work), there / f"{name}.mp4", size)
        work.unlink()
        tell({"share": _NETWORK * (number + 1) / whole})
    assert size is not None
    seconds = _write(ReadSettings(path=Path(source), part=part), there / f"{LANCZOS}.mp4", size)
    return _about(size, before, seconds)


def clips_of_result(tell: Tell, source: str, result: str, at: float, folder: str) -> dict[str, Any]:
    """Write a clip of a finished result as ``result.mp4``, and the source's beside it as ``lanczos.mp4``.

    Raises:
        InputError: as for `clips_of`.
    """
    part, there = _part(at), Path(folder)
    reading = [ReadSettings(path=Path(path), part=part) for path in (source, result)]
    before, size = _size(reading[0]), _size(reading[1])
    largest = min(Fraction(1), *(Fraction(most, side) for most, side in zip(_sides(size), size, strict=True)))
    size = int(size[0] * largest) // 2 * 2, int(size[1] * largest) // 2 * 2
    _write(reading[1], there / "result.mp4", size)
    tell({"share": 0.6})
    seconds = _write(reading[0], there / f"{LANCZOS}.mp4", size)
    return _about(size, before, seconds)


def _sides(size: _Size) -> _Size:
    return _LARGEST if size[0] >= size[1] else (_LARGEST[1], _LARGEST[0])


def _part(at: float) -> TimeSpan:
    return TimeSpan(Fraction(at).limit_denominator(1000), Fraction(SECONDS))


def _about(size: _Size, before: _Size, seconds: float) -> dict[str, Any]:
    width, height = size
    return {
        "width": width,
        "height": height,
        "source_width": before[0],
        "source_height": before[1],
        "seconds": seconds,
    }


def _size(reading: ReadSettings) -> _Size:
    with VideoReader(reading) as reader:
        return reader.info.width, reader.info.height


def _playable(reading: ReadSettings, target: Path, size: _Size) -> None:
    """Write what a job has made as a clip: by a copy of its packets, if browsers can play them."""
    with open_input(reading.path) as container:
        stream = video_stream(container, reading.path)
        context = stream.codec_context
        if (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", *size):
            with av.open(str(target), "w", options=_FASTSTART) as output:
                copied = output.add_stream_from_template(stream)
                for packet in container.demux(stream):
                    if packet.dts is not None:
                        packet.stream = copied
                        output.mux(packet)
            return
    _write(reading, target, size)


def _write(reading: ReadSettings, target: Path, size: _Size) -> float:
    """Decode, scale by interpolation and encode; return how many seconds the clip lasts."""
    scaler = Scaler("lanczos")
    with VideoReader(reading) as reader, av.open(str(target), "w", options=_FASTSTART) as output:
        colour = replace(reader.info.colour, bits=8, sampling="420")
        shape = replace(reader.info, colour=colour, pixel_format="yuv420p", width=size[0], height=size[1], hdr=None)
        stream = add_video(output, shape, _QUALITY)
        open_encoder(stream)
        end = Fraction(0)
        for decoded, frame in reader.pictures():
            made = scaler(reader.fit(decoded).frame, size, "yuv420p", reader.info.colour, colour)
            made.pts, made.time_base, made.pict_type = frame.pts, frame.time_base, PictureType.NONE
            tag(made, shape.tags)
            output.mux(stream.encode(made))
            end = (frame.pts + frame.duration) * frame.time_base
        output.mux(stream.encode(None))
    return float(end)
