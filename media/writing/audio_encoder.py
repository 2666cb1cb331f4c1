"""Convert sound to a codec that the container supports, each sample at its original time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import Speakers, is_owned, places, roomiest
from sr4k.media.gapless_audio import LONGEST_GAP, seam

CODECS = {
    **dict.fromkeys(("mp4", "mov", "matroska", "mpegts", "flv", "nut"), "aac"),
    **dict.fromkeys(("webm", "whip"), "libopus"),
}
"""Encoder by container; names are libav's."""

_LOSSLESS = {"matroska", "nut"}
"""Containers in which lossless sound becomes FLAC, of up to 24 bits."""

_SHORT = {"u8", "u8p", "s16", "s16p"}
"""Sample formats of up to 16 bits."""

_BITS_OF_A_CHANNEL = {"aac": 96_000, "libopus": 80_000}

_DTYPES = {"flt": np.float32, "s16": np.int16, "s32": np.int32}
"""NumPy dtypes of interleaved sample formats, by libav's name."""

_USUAL_RATE = 48_000
"""Sample rate in Hz where the encoder doesn't support the source's."""

_AAC = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")
"""Channel configurations that ISO 14496-3 numbers: every decoder knows them."""

_SPELLED_OUT = ("2.1", "3.0(back)", "quad")
"""Layouts that AAC spells out in the header, and that libav's decoder names; of others it reports the count alone."""

_OPUS = ("mono", "stereo", "3.0", "quad", "5.1", "7.1")
"""Layouts of RFC 7845, without 5.0 and 6.1, whose channels libav's encoder puts in the wrong order."""

_BEYOND_ADTS = {"aac_pce": "1"} if av.library_versions["libavcodec"][0] >= 63 else {}
"""Options for 7.1 in MPEG-TS: FFmpeg 9 gives it a number that ADTS has no bits for, so it is spelled out (PCE)."""

_LAYOUTS = {"mpegts": _AAC, "flv": _AAC, "webm": _OPUS, "whip": ("stereo",)}
"""Layouts by container; of those with equally many channels the most usual comes first."""

_FLAC = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""Layouts that FLAC implies by the number of channels (RFC 9639, section 9.1.3)."""

_FLAC_LAYOUTS = {"nut": _FLAC, "matroska": (*_FLAC, "2.1", "4.0", "3.1", "4.1")}
"""FLAC's layouts by container: Matroska keeps the channel mask that FLAC stores as a tag."""


class Reencoded:
    """One stream of sound, decoded and encoded again.

    Every sample keeps its time: gaps are filled with silence, overlaps are cut.

    Attributes:
        stream: The target's stream.
        lost: Packets of the source that could not be converted, counted by reason.

    Raises:
        ValueError: libav can't decode the stream, or has no encoder for its channels or sample rate.
    """

    def __init__(self, source: AudioStream, speakers: Speakers, target: OutputContainer) -> None:
        self._source = source.codec_context
        container = target.format.name
        codec = _codec_for(self._source, container)
        if not self._source.sample_rate:
            raise ValueError
        layout = roomiest(speakers.named(), _layouts_for(codec, container, speakers.named()))
        rates = av.Codec(codec, "w").audio_rates
        self._rate = self._source.sample_rate if not rates or self._source.sample_rate in rates else _USUAL_RATE
        source_form = self._source.format.name if self._source.format else "flt"
        form = _opens(codec, layout, self._rate, "s16" if source_form in _SHORT else "s32")
        self._form = form if codec == "flac" else "flt"
        self._mixer = Mixer(speakers, layout, self._rate, self._form)
        self._mixer.check(source_form, self._source.sample_rate)
        options = _BEYOND_ADTS if container == "mpegts" and layout == "7.1" else {}
        stream = target.add_stream(codec, rate=self._rate, layout=layout, options=options)
        assert isinstance(stream, AudioStream)
        self.stream = stream
        self.stream.codec_context.format = AudioFormat(form)
        self._has_late_head = container == "matroska"  # FLAC's last packet is an empty one with the final header
        self._layout, self._channels = layout, AudioLayout(layout).nb_channels
        if codec in _BITS_OF_A_CHANNEL:
            self.stream.bit_rate = _BITS_OF_A_CHANNEL[codec] * self._channels
        self.stream.time_base = Fraction(1, self._rate)
        self._samples: NDArray[Any] = np.empty((0, self._channels), _DTYPES[self._form])
        self._at: int | None = None  # time of the first of `_samples`, in samples
        self._last_pts: int | None = None  # in ticks of the source
        self._is_given_up = False
        self.lost: Counter[str] = Counter()

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Convert one packet of the source; see `sr4k.media.writing.tracks.TrackWriter`."""
        if packet.size:
            yield from self._decoded(packet)

    def drain(self) -> Iterator["Packet[Any]"]:
        """Emit what decoder, mixer and encoder hold back; see `sr4k.media.writing.tracks.TrackWriter`."""
        yield from self._decoded(None)
        with suppress(av.error.FFmpegError):
            for frame in self._mixer.drained():
                yield from self._append(frame)
        yield from self._encoded(everything=True)
        yield from self._sent(None)

    def _decoded(self, packet: "Packet[Any] | None") -> Iterator["Packet[Any]"]:
        if self._is_given_up:
            self.lost["channels in an order of their own, which can't be read"] += packet is not None
            return
        try:
            frames = self._source.decode(packet)
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
        return int(self.stream.codec_context.frame_size or 1024)

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
        for packet in self.stream.encode(frame):
            if packet.size or self._has_late_head:
                packet.stream = self.stream
                yield packet


def _codec_for(source: AudioCodecContext, container: str) -> str:
    """Return the encoder for a container: a lossless one for lossless sound where the container has one."""
    is_whole = source.codec.lossless and not source.codec.lossy
    return "flac" if is_whole and container in _LOSSLESS else CODECS[container]


def _layouts_for(codec: str, container: str, speakers: Speakers) -> Sequence[str]:
    """Return the layouts to choose from; for FLAC those that keep each channel apart, if there are any."""
    if codec != "flac":
        return _LAYOUTS.get(container, (*_AAC, *_SPELLED_OUT))
    known = {layout: places(speakers, layout) for layout in _FLAC_LAYOUTS[container]}
    whole = [layout for layout, found in known.items() if found and not any("*" in share for share in found.values())]
    return whole or list(known)


def _opens(codec: str, layout: str, rate: int, whole: str) -> str:
    """Return the encoder's sample format after a trial opening.

    Args:
        codec: libav's name of the encoder.
        layout: libav's name of the channel layout.
        rate: Sample rate in Hz.
        whole: Sample format for encoders of integers.

    Raises:
        ValueError: The encoder takes none of our formats, or doesn't open.
    """
    context = AudioCodecContext.create(codec, "w")
    assert isinstance(context, AudioCodecContext)
    wanted = ("fltp", "flt", whole)
    form = next((form.name for form in context.codec.audio_formats or () if form.name in wanted), None)
    if form is None:
        raise ValueError
    context.format, context.layout = AudioFormat(form), AudioLayout(layout)
    context.sample_rate, context.time_base = rate, Fraction(1, rate)
    try:
        context.open(strict=False)
    except (av.error.FFmpegError, OSError) as err:
        raise ValueError from err
    return form
