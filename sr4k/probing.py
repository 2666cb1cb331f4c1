"""Probe a file: what it contains, and how it would be read."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.stream import Disposition, Stream

from sr4k.common.given_path import given_path
from sr4k.common.printable import clock, printable
from sr4k.errors import OptionError
from sr4k.live.address import is_live, shown
from sr4k.media.channel_layouts import Speakers
from sr4k.media.hdr import Hdr
from sr4k.media.image_names import files_of
from sr4k.media.look import DecodedPicture, Look, reading_in_words
from sr4k.media.options import ReadSettings
from sr4k.media.reading.open_file import open_input, video_stream
from sr4k.media.reading.reader import VideoReader
from sr4k.media.remote_path import file_or_remote, is_remote
from sr4k.media.video import HDR_TRANSFERS, TRANSFER_NAMES, VideoInfo


@dataclass(frozen=True, slots=True)
class Probe:
    """Contents of a file.

    Attributes:
        path: of the file.
        container: libav's name of the format.
        seconds: duration of the longest stream; ``None``: not in the header.
        start: start time of the earliest stream, in seconds.
        bytes: size of the file.
        video: properties of the video stream that would be upscaled, from its header and first frame.
        others: index, kind, codec and more of each other stream.
        chapters: number of chapters.
        tags: metadata of the file.
    """

    path: str
    container: str
    seconds: float | None
    start: float
    bytes: int
    video: dict[str, Any]
    others: list[dict[str, Any]]
    chapters: int
    tags: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, for JSON."""
        return asdict(self)


def probe(path: str | os.PathLike[str]) -> Probe:
    """Read the header of a file and decode its first frame.

    Args:
        path: of the file, or its ``s3://`` or ``http(s)://`` address.

    Raises:
        InputError: the file can't be read, or has no frame that can be decoded.
        OptionError: it is no path, or the address of a live stream.
    """
    path = _source(path)
    with open_input(path) as container:
        chosen = video_stream(container, path)
        return Probe(
            str(path),
            container.format.name,
            None if not container.duration else container.duration / av.time_base,
            (container.start_time or 0) / av.time_base,
            sum(file.stat().st_size for file in files_of(path)),
            {"index": chosen.index, "codec": chosen.codec_context.codec.canonical_name} | _video(path),
            [_other(stream) for stream in container.streams if stream.index != chosen.index],
            len(container.chapters()),
            dict(container.metadata),
        )


def _source(given: str | os.PathLike[str]) -> Path:
    text = given_path(given)
    if isinstance(given, str) and is_live(text) and not is_remote(text) and not os.path.lexists(text):
        what = "the address of a live stream: files are examined, also at s3://, http:// and https:// addresses"
        raise OptionError(f"{shown(text)} is {what}.")
    return file_or_remote(given)


def in_words(found: Probe) -> str:
    """Return lines of text for users."""
    size = f"{found.bytes / 1e6:.1f} MB"
    length = [] if found.seconds is None else [clock(found.seconds), f"{8e-3 * found.bytes / found.seconds:.0f} kbit/s"]
    lines = [f"{found.path}: {found.container}, {', '.join([*length, size])}", *_video_in_words(found.video)]
    for stream in found.others:
        values = [str(value) for key, value in stream.items() if key not in ("index", "kind") and value]
        lines.append(f"  {stream['kind']} {stream['index']}: {', '.join(values)}")
    if found.chapters:
        lines.append(f"  {found.chapters} chapters")
    return "\n".join(map(printable, lines))


def _video(path: Path) -> dict[str, Any]:
    with VideoReader(ReadSettings(path=path, deinterlace="off")) as reader:
        first, _ = next(reader.pictures())
        found = reader.report().source
        read = {
            "interlaced": found.interlaced > 0,
            "rate": found.rate,
            "expected_frames": found.expected_frames,
            "frames_counted": found.frames_counted,
        }
        return _first_picture(first, reader.info) | read


def _first_picture(first: DecodedPicture, info: VideoInfo) -> dict[str, Any]:
    picture = first.frame
    return {
        "width": picture.width,
        "height": picture.height,
        "sample_aspect_ratio": str(info.sample_aspect_ratio or Fraction(1)),
        "rotation": picture.rotation,
        "pixel_format": picture.format.name,
        **_reading(first.look, info),
        "bits": info.colour.bits,
        "hdr": None if info.hdr is None else _hdr(info.hdr),
        "colour_tags": _tags(first),
    }


def _reading(look: Look, info: VideoInfo) -> dict[str, Any]:
    """Return how samples are read: only Y'CbCr has a matrix, and only subsampled chroma a location."""
    return {
        "colour_model": look.model,
        "matrix": info.colour.matrix if look.model == "yuv" else None,
        "full_range": look.full_range,
        "chroma_location": info.colour.chroma_location if look.layout.chroma in ("420", "422") else None,
    }


def _tags(first: DecodedPicture) -> dict[str, int]:
    frame, tags = first.frame, first.look.tags
    if first.look.is_colourful:  # the look has the tags of the Y'CbCr that may be made of it
        tags = replace(tags, colorspace=frame.colorspace, color_range=frame.color_range)
    return {
        "matrix": tags.colorspace,
        "range": tags.color_range,
        "primaries": tags.color_primaries,
        "transfer": tags.color_trc,
    }


def _video_in_words(video: dict[str, Any]) -> Iterator[str]:
    shape = f"{video['width']}x{video['height']}"
    if video["sample_aspect_ratio"] != "1":
        shape += f" (sample aspect ratio {video['sample_aspect_ratio']})"
    if video["rotation"]:
        shape += f", shown rotated by {video['rotation']} degrees"
    about = "" if video["frames_counted"] else "about "
    frames = f", {about}{video['expected_frames']} frames" if video["expected_frames"] else ""
    scan = "interlaced" if video["interlaced"] else "progressive"
    yield f"  video: {video['codec']}, {shape}, {video['pixel_format']}, {scan}, {video['rate']:g} fps{frames}"
    transfer = video["colour_tags"]["transfer"]
    colours = [
        reading_in_words(video["colour_model"], video["matrix"], full_range=video["full_range"]),
        *([f"chroma {video['chroma_location']}"] if video["chroma_location"] else []),
        *([TRANSFER_NAMES[transfer]] if transfer in HDR_TRANSFERS else []),
    ]
    yield f"    read as {', '.join(colours)}"
    if hdr := video["hdr"]:
        light = f", light up to {hdr['max_cll']} cd/m², {hdr['max_fall']} on average" if hdr["max_cll"] else ""
        display = f"mastered for {hdr['least']:g} to {hdr['most']:g} cd/m²" if hdr["most"] else "HDR10"
        yield f"    {display}{light}"


def _hdr(hdr: Hdr) -> dict[str, Any]:
    display, light = hdr.mastering, hdr.light or (None, None)
    return {
        "least": None if display is None else float(display.least),
        "most": None if display is None else float(display.most),
        "max_cll": light[0],
        "max_fall": light[1],
    }


def _other(stream: Stream) -> dict[str, Any]:
    context = stream.codec_context
    facts: dict[str, Any] = {"index": stream.index, "kind": stream.type, "codec": getattr(context, "name", None)}
    if isinstance(stream, AudioStream) and context is not None:
        facts |= {"rate": f"{stream.sample_rate} Hz", "layout": Speakers.of(stream).called}
    facts |= {"language": stream.language if stream.language != "und" else None, "title": stream.metadata.get("title")}
    flags = [flag.name for flag in Disposition if flag in stream.disposition and flag.name]
    return facts | {"disposition": " ".join(flags)}
