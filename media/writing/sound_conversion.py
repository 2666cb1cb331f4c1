"""Decodes sound and encodes it again in one form, each sample at its original time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.packet import Packet
from numpy.typing import NDArray

from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import is_owned
from sr4k.media.gapless_audio import LONGEST_GAP, seam
from sr4k.media.reading.sound_decoder import SoundDecoder
from sr4k.media.reading.sound_form import SoundForm

_DTYPES = {"flt": np.float32, "s16": np.int16, "s32": np.int32}
"""NumPy dtypes of interleaved sample formats, by libav's name."""


class Conversion:
    """Converts packets of sound, whatever their codec, rate and channels, which may change midway.

    Every sample keeps its time: gaps are filled with silence, overlaps are cut.

    Attributes:
        lost: Packets that could not be converted, counted by reason.

    Args:
        source: Codec context of the packets, as the source's header declares it.
        encoder: Encoder for the result.
        mixer: Makes samples of the form, layout and rate that follow.
        form: Interleaved sample format, by libav's name.
        layout: Channel layout, by libav's name.
        rate: Sample rate in Hz.
        has_late_head: Whether the encoder's last packet is an empty one with the final header.
    """

    def __init__(
        self,
        source: AudioCodecContext,
        encoder: AudioCodecContext,
        mixer: Mixer,
        *,
        form: str,
        layout: str,
        rate: int,
        has_late_head: bool = False,
    ) -> None:
        self._decoder, self._encoder, self._mixer = SoundDecoder(source), encoder, mixer
        self._form, self._layout, self._rate, self._has_late_head = form, layout, rate, has_late_head
        self._channels = AudioLayout(layout).nb_channels
        self._samples: NDArray[Any] = np.empty((0, self._channels), _DTYPES[form])
        self._at: int | None = None  # time of the first of `_samples`, in samples
        self._last_pts: int | None = None  # in ticks of the source
        self._is_given_up = False
        self.lost: Counter[str] = Counter()

    def packets(self, packet: "Packet[Any]", form: SoundForm | None) -> Iterator["Packet[Any]"]:
        """Convert one packet of the source, of a form, if that is known."""
        if packet.size:
            yield from self._decoded(packet, form)

    def drain(self) -> Iterator["Packet[Any]"]:
        """Emit what decoder, mixer and encoder hold back; see `sr4k.media.writing.tracks.TrackWriter`."""
        yield from self._decoded(None, None)
        with suppress(av.error.FFmpegError):
            for frame in self._mixer.drained():
                yield from self._append(frame)
        yield from self._encoded(everything=True)
        yield from self._sent(None)

    def _decoded(self, packet: "Packet[Any] | None", form: SoundForm | None) -> Iterator["Packet[Any]"]:
        if self._is_given_up:
            self.lost["channels in an order of their own, which can't be read"] += packet is not None
            return
        try:
            frames = self._decoder.decode(packet, form)
        except av.error.FFmpegError as err:
            self.lost[f"undecodable ({err.strerror})"] += packet is not None
            return
        if sum(is_owned(frame) for frame in frames):  # not any(): all of them must be checked
            self._is_given_up = True
            self.lost["channels in an order of their own, which can't be read"] += 1
            return
        for frame in frames:
            self.lost["damaged"] += frame.is_corrupt
            if frame.pts is not None and self._last_pts is not None and frame.pts <= self._last_pts:
                frame.pts = None  # a repeated time: place it after the previous frame
            elif frame.pts is not None:
                self._last_pts = frame.pts
            try:
                for part in self._mixer.mixed(frame):
                    yield from self._append(part)
            except (av.error.FFmpegError, ValueError):
                self.lost["a changed format, which can't be converted"] += 1
        yield from self._encoded(everything=False)

    def _append(self, frame: AudioFrame) -> Iterator["Packet[Any]"]:
        """Append a frame's samples at the position that its pts says."""
        samples = frame.to_ndarray().reshape(-1, self._channels)
        if self._at is None:
            self._at = 0 if frame.pts is None else round(frame.pts * Fraction(frame.time_base or 0) * self._rate)
        elif frame.pts is not None:
            end = self._at + len(self._samples)
            off = round(frame.pts * Fraction(frame.time_base or 0) * self._rate) - end
            silence, cut = seam(off, self._rate)
            if silence > LONGEST_GAP * self._rate:  # too long to fill: the target has a gap as well
                yield from self._jump(silence)
            elif silence:
                self._samples = np.pad(self._samples, ((0, silence), (0, 0)))
            samples = samples[cut:]
        self._samples = np.concatenate([self._samples, samples])

    def _jump(self, far: int) -> Iterator["Packet[Any]"]:
        """Leave a gap of so many samples, after filling the last block with silence."""
        assert self._at is not None
        end = self._at + len(self._samples)
        missing = -len(self._samples) % self._block
        self._samples = np.pad(self._samples, ((0, missing), (0, 0)))
        yield from self._encoded(everything=True)
        self._at = end + far

    @property
    def _block(self) -> int:
        """Samples per encoder frame; valid once the encoder is open."""
        return int(self._encoder.frame_size or 1024)

    def _encoded(self, *, everything: bool) -> Iterator["Packet[Any]"]:
        block = self._block
        while len(self._samples) >= block or (everything and len(self._samples)):
            assert self._at is not None
            taken = np.ascontiguousarray(self._samples[:block])
            frame = AudioFrame.from_ndarray(taken.reshape(1, -1), format=self._form, layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._at, Fraction(1, self._rate)
            self._samples = self._samples[block:]
            self._at += len(taken)
            yield from self._sent(frame)

    def _sent(self, frame: AudioFrame | None) -> Iterator["Packet[Any]"]:
        if frame is None and self._at is None:
            return
        for packet in self._encoder.encode(frame):
            if packet.size or self._has_late_head:
                yield packet
