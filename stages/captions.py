"""Text subtitles in the form that a container takes, by libav's own converters."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeGuard

import av
from av.codec.codec import Properties
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

FORMS = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
"""By the container. MPEG-TS has teletext, which libav does not write."""


class Rewritten:
    """One stream of text subtitles. Colours and places beyond what the form knows are lost, as libav has it."""

    def __init__(self, source: SubtitleStream, target: OutputContainer) -> None:
        self._source = source.codec_context
        self._source.open(strict=False)
        stream = target.add_stream(FORMS[target.format.name])
        assert isinstance(stream, SubtitleStream)
        self.stream = stream
        self.stream.codec_context.subtitle_header = self._source.subtitle_header
        self.stream.time_base = source.time_base

    @staticmethod
    def possible(source: Stream, container: str) -> TypeGuard[SubtitleStream]:
        """Whether it is text that libav can read, and there is a form for the container."""
        codec = getattr(source.codec_context, "codec", None)
        return container in FORMS and codec is not None and bool(codec.properties & Properties.TEXT_SUB.value)

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        if not packet.size or packet.pts is None:
            return
        with suppress(av.error.FFmpegError):  # a line that can't be read
            lines = self._source.decode2(packet)
            texts = [rect.ass for rect in lines or () if isinstance(rect, AssSubtitle)]
            if not any(texts):
                return
            # one may hold several lines: they are shown together
            made = self.stream.codec_context.encode_subtitle(SubtitleSet.create(_together(texts), 0, 0))
            made.pts = made.dts = packet.pts
            made.duration, made.time_base, made.stream = packet.duration, packet.time_base, self.stream
            yield made

    def drain(self) -> Iterator["Packet[Any]"]:
        return iter(())


def _together(dialogues: list[bytes]) -> bytes:
    """The first one's fields, with the texts of all: each is ``ReadOrder,Layer,Style,Name,L,R,V,Effect,Text``."""
    texts = [dialogue.split(b",", 8)[-1] for dialogue in dialogues]
    return dialogues[0][: len(dialogues[0]) - len(texts[0])] + rb"\N".join(texts)
