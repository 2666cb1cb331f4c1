"""Sound in a codec that the container takes, at the very times that it had."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

CODECS = {"mp4": "aac", "mov": "aac", "matroska": "aac", "mpegts": "aac", "webm": "libopus"}
"""By the container."""

_BITS_OF_A_CHANNEL = {"aac": 96_000, "libopus": 80_000}

_USUAL_RATE = 48_000
"""Where the encoder can't have the source's own."""

_JITTER = Fraction(1, 50)
"""Seconds that times may be off from where the samples so far end: containers round them."""

_SILENCE = 10
"""Seconds of a gap that are filled; after a longer one the sound goes on without."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


class Reencoded:
    """One stream of sound. A gap becomes silence, what overlaps is cut: a sample is where its time says.

    Raises:
        ValueError: libav can't decode it, or has no encoder for so many channels or such a rate.
    """

    def __init__(self, source: AudioStream, target: OutputContainer) -> None:
        self._source = source.codec_context
        codec = CODECS[target.format.name]
        if not self._source.sample_rate or self._source.channels not in _LAYOUTS:
            raise ValueError
        rates = av.Codec(codec, "w").audio_rates
        self._rate = self._source.sample_rate if not rates or self._source.sample_rate in rates else _USUAL_RATE
        layout = _LAYOUTS[self._source.channels]
        form = _opens(codec, layout, self._rate)
        stream = target.add_stream(codec, rate=self._rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self.stream = stream
        self.stream.codec_context.format = AudioFormat(form)
        self.stream.bit_rate = _BITS_OF_A_CHANNEL[codec] * self._source.channels
        self.stream.time_base = Fraction(1, self._rate)
        self._resampler = AudioResampler("fltp", layout, self._rate)
        self._samples = np.empty((self._source.channels, 0), np.float32)
        self._at: int | None = None  # the time of the first of them, in samples
        self.undecodable = 0

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        if packet.size:
            yield from self._decoded(packet)

    def drain(self) -> Iterator["Packet[Any]"]:
        yield from self._decoded(None)
        with suppress(av.error.FFmpegError, ValueError):
            for frame in self._resampler.resample(None):
                yield from self._append(frame)
        yield from self._encoded(everything=True)
        yield from self._sent(None)

    def _decoded(self, packet: "Packet[Any] | None") -> Iterator["Packet[Any]"]:
        try:
            frames = self._source.decode(packet)
        except av.error.FFmpegError:
            self.undecodable += packet is not None
            return
        for frame in frames:
            for part in self._resampler.resample(frame):
                yield from self._append(part)
        yield from self._encoded(everything=False)

    def _append(self, frame: AudioFrame) -> Iterator["Packet[Any]"]:
        """Where its time says."""
        samples = frame.to_ndarray()
        if self._at is None:
            self._at = 0 if frame.pts is None else round(frame.pts * Fraction(frame.time_base or 0) * self._rate)
        elif frame.pts is not None:
            end = self._at + self._samples.shape[1]
            off = round(frame.pts * Fraction(frame.time_base or 0) * self._rate) - end
            if off > _JITTER * self._rate:
                if off > _SILENCE * self._rate:
                    yield from self._jump(off)
                else:
                    self._samples = np.pad(self._samples, ((0, 0), (0, off)))
            elif off < -_JITTER * self._rate:
                samples = samples[:, -off:]
        self._samples = np.concatenate([self._samples, samples], 1)

    def _jump(self, far: int) -> Iterator["Packet[Any]"]:
        """Go on so many samples after the end of those so far, whose last block is filled up."""
        assert self._at is not None
        end = self._at + self._samples.shape[1]
        missing = -self._samples.shape[1] % self._block
        self._samples = np.pad(self._samples, ((0, 0), (0, missing)))
        yield from self._encoded(everything=True)
        self._at = end + far

    @property
    def _block(self) -> int:
        """Samples that the encoder wants at a time, once it is open."""
        return int(self.stream.codec_context.frame_size or 1024)

    def _encoded(self, *, everything: bool) -> Iterator["Packet[Any]"]:
        block = self._block
        while self._samples.shape[1] >= block or (everything and self._samples.shape[1]):
            assert self._at is not None
            taken = np.ascontiguousarray(self._samples[:, :block])
            layout = self.stream.codec_context.layout.name
            frame = AudioFrame.from_ndarray(taken, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._at, Fraction(1, self._rate)
            self._samples = self._samples[:, block:]
            self._at += taken.shape[1]
            yield from self._sent(frame)

    def _sent(self, frame: AudioFrame | None) -> Iterator["Packet[Any]"]:
        if frame is None and self._at is None:
            return
        for packet in self.stream.encode(frame):
            packet.stream = self.stream
            yield packet


def _opens(codec: str, layout: str, rate: int) -> str:
    """The sample format that the encoder wants, if it opens at all."""
    context = AudioCodecContext.create(codec, "w")
    assert isinstance(context, AudioCodecContext)
    form = next((form.name for form in context.codec.audio_formats or () if form.name in ("fltp", "flt")), None)
    if form is None:
        raise ValueError
    context.format, context.layout = AudioFormat(form), AudioLayout(layout)
    context.sample_rate, context.time_base = rate, Fraction(1, rate)
    try:
        context.open(strict=False)
    except (av.error.FFmpegError, OSError) as err:
        raise ValueError from err
    return form
