"""Tags, dispositions and chapters, and which of them a container keeps, found by writing and reading a tiny file."""

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Disposition, Stream

from sr4k.media.reading.open_file import READ_TAGS

_FACTS = re.compile(
    r"major_brand|minor_version|compatible_brands|encoder|software|handler_name|vendor_id|alpha_mode|stereo_mode"
    r"|variant_bitrate"
    r"|duration(-.*)?|bps(-.*)?|number_of_(frames|bytes)(-.*)?|_statistics_.*|(.*_)?(uid|umid|ul)|wmfsdk.*|isvbr"
    r"|(product|toolkit)_version.*|product_name|company_name|application_platform|deviceconformancetemplate",
    re.IGNORECASE,
)
"""Tags that say how the source was made, which isn't true of the result, or that are stored in other ways."""

_NOTHING = {("language", "und"), ("timecode", "00:00:00:00")}
"""Tags whose value means the same as no tag."""

_SAMPLES = {
    "h264": b"\0\0\0\1\x65\x88\x80\x10",
    "hevc": b"\0\0\0\1\x26\x01\xaf\x10",
    "av1": b"\x12\0\x0a\x0a",
    "mov_text": b"\0\1a",
}
"""Packets that muxers accept as a picture or a text."""

_SAMPLE = b"aa"

_UNMARKED = Disposition.default | Disposition.attached_pic
"""Dispositions that need no check: each container keeps them, or has its own."""

_PHONE = re.compile(r"com\.(apple|android)\..*")
"""Metadata keys of phones, which QuickTime and MP4 store in a list of their own (``mdta``)."""


_OF_THE_FORM = {"major_brand", "minor_version", "compatible_brands", "alpha_mode"}


def of_the_work(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without those that describe the file format, of which the result has its own."""
    return {key: value for key, value in tags.items() if key.lower() not in _OF_THE_FORM}


def are_a_phones(tags: Mapping[str, str]) -> bool:
    """Whether there are tags of phones, which players look for in QuickTime's list of keys."""
    return any(_PHONE.match(key) for key in tags)


def lost(target: OutputContainer, chapters: list[Any], describe: Callable[[Stream], str]) -> Iterator[str]:
    """Describe the tags, dispositions and chapters that a target won't keep.

    Call it when the header has been written: the streams are final by then.

    Args:
        target: Container opened for writing, with its tags and streams.
        chapters: As PyAV returns them.
        describe: Returns the description of a stream.
    """
    container = target.format.name
    streams = [stream for stream in target.streams if _is_ordinary(stream)]
    file = BytesIO()
    if not _written(file, target, streams, chapters):
        streams = streams[:1]
        file = BytesIO()
        if not _written(file, target, streams, chapters):
            return
    file.seek(0)
    with suppress(av.error.FFmpegError), av.open(file, **READ_TAGS) as again:
        timecodes = [stream.metadata for stream in again.streams if "timecode" in stream.metadata]
        if gone := list(_gone(target.metadata, ChainMap(again.metadata, *timecodes))):
            yield f"{_tags(gone)} can't be carried by {container}"
        if len(again.chapters()) < len(chapters):
            yield f"{len(chapters)} chapters can't be carried by {container}"
        found = [stream for stream in again.streams if stream.type != "data"]
        if len(found) != len(streams):  # not all samples are found again
            return
        for stream, came in zip(streams, found, strict=True):
            own = {key: value for key, value in stream.metadata.items() if target.metadata.get(key) != value}
            if gone := list(_gone(own, came.metadata)):
                yield f"{_tags(gone)} of {describe(stream)} can't be carried by {container}"
            marks = stream.disposition & ~came.disposition & ~_UNMARKED
            if marks:
                names = ", ".join(mark.name or "" for mark in Disposition if mark in marks)
                yield f"that {describe(stream)} is marked {names} can't be carried by {container}"


def without_any(container: str, tags: Mapping[str, str], chapters: int) -> Iterator[str]:
    """Describe what is lost in a container that holds neither tags nor chapters.

    Args:
        container: libav's name.
        tags: Tags of the source.
        chapters: Number of its chapters.
    """
    if gone := list(_gone(of_the_work(tags), {})):
        yield f"{_tags(gone)} can't be carried by {container}"
    if chapters:
        yield f"{chapters} chapters can't be carried by {container}"


def _is_ordinary(stream: Stream) -> bool:
    return not isinstance(stream, AttachmentStream) and not stream.disposition & Disposition.attached_pic


def _written(file: BytesIO, target: OutputContainer, streams: Iterable[Stream], chapters: list[Any]) -> bool:
    flags = target.options.get("movflags", "").replace("+faststart", "")  # which would reopen the file by name
    options = {"movflags": flags} if flags else {}
    try:
        with av.open(file, "w", format=target.format.name, options=options) as trial:
            copies = []
            for stream in streams:
                copies.append(trial.add_stream_from_template(stream, opaque=True))
                copies[-1].metadata.update(stream.metadata)
                copies[-1].disposition = stream.disposition
            trial.metadata.update(target.metadata)
            if chapters:
                trial.set_chapters(chapters)
            trial.start_encoding()
            for copy in copies:
                trial.mux_one(_sample(copy))
    except (ValueError, av.error.FFmpegError):
        return False
    return True


def _sample(stream: Stream) -> "Packet[Any]":
    codec = getattr(stream.codec_context, "codec", None)
    packet: Packet[Any] = Packet(_SAMPLES.get(getattr(codec, "canonical_name", ""), _SAMPLE))
    packet.pts = packet.dts = 0
    packet.duration, packet.time_base, packet.stream = 1, Fraction(stream.time_base or 1), stream
    packet.is_keyframe = True
    return packet


def _gone(tags: Mapping[str, str], came: Mapping[str, str]) -> Iterator[str]:
    """Yield keys that were not read back; a value under another key counts as kept."""
    keys, values = {key.lower() for key in came}, set(came.values())
    for key, value in tags.items():
        is_said = value and not _FACTS.fullmatch(key) and (key.lower(), value) not in _NOTHING
        if is_said and key.lower() not in keys and value not in values:
            yield key


def _tags(keys: list[str]) -> str:
    return f"tag {keys[0]}" if len(keys) == 1 else f"tags {', '.join(sorted(keys, key=str.lower))}"
