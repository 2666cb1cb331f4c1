"""Convert sound to a codec that the container supports: which one, in which layout and form."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.format import AudioFormat
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import Speakers, places, roomiest
from sr4k.media.reading.sound_form import UNLIKE, FormOfSound
from sr4k.media.writing.sound_conversion import Conversion

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

_USUAL_RATE = 48_000
"""Sample rate in Hz where the encoder doesn't support the source's."""

NUMBERED = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1")
"""Channel configurations that ISO 14496-3 numbers from 1 on: every decoder knows them."""

_SPELLED_OUT = ("2.1", "3.0(back)", "quad")
"""Layouts that AAC spells out in the header, and that libav's decoder names; of others it reports the count alone."""

_OPUS = ("mono", "stereo", "3.0", "quad", "5.1", "7.1")
"""Layouts of RFC 7845, without 5.0 and 6.1, whose channels libav's encoder puts in the wrong order."""

_BEYOND_ADTS = {"aac_pce": "1"} if av.library_versions["libavcodec"][0] >= 63 else {}
"""Options for 7.1 in MPEG-TS: FFmpeg 9 gives it a number that ADTS has no bits for, so it is spelled out (PCE)."""

_LAYOUTS = {"mpegts": NUMBERED, "flv": NUMBERED, "webm": _OPUS, "whip": ("stereo",)}
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

    Args:
        source: Stream of the source.
        speakers: Its channels.
        target: Container opened for writing.
        first: Its first packet, if known.

    Raises:
        ValueError: libav can't decode the stream, or has no encoder for its channels or sample rate.
    """

    def __init__(
        self,
        source: AudioStream,
        speakers: Speakers,
        target: OutputContainer,
        first: "Packet[Any] | None" = None,
    ) -> None:
        context, container = source.codec_context, target.format.name
        codec = _codec_for(context, container)
        if not context.sample_rate:
            raise ValueError
        layout = roomiest(speakers.named(), _layouts_for(codec, container, speakers.named()))
        rates = av.Codec(codec, "w").audio_rates
        rate = context.sample_rate if not rates or context.sample_rate in rates else _USUAL_RATE
        source_form = context.format.name if context.format else "flt"
        encoder_form = opened(codec, layout, rate, "s16" if source_form in _SHORT else "s32").format
        form = encoder_form.name if codec == "flac" else "flt"
        mixer = Mixer(speakers, layout, rate, form)
        mixer.check(source_form, context.sample_rate)
        options = _BEYOND_ADTS if container == "mpegts" and layout == "7.1" else {}
        stream = target.add_stream(codec, rate=rate, layout=layout, options=options)
        assert isinstance(stream, AudioStream)
        self.stream = stream
        self.stream.codec_context.format = encoder_form
        if codec in _BITS_OF_A_CHANNEL:
            self.stream.bit_rate = _BITS_OF_A_CHANNEL[codec] * AudioLayout(layout).nb_channels
        self.stream.time_base = Fraction(1, rate)
        self._forms = FormOfSound(context, first)
        self._conversion = Conversion(
            context,
            self.stream.codec_context,
            mixer,
            form=form,
            layout=layout,
            rate=rate,
            has_late_head=container == "matroska",  # FLAC's last packet is an empty one with the final header
        )
        self.lost = self._conversion.lost

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Convert one packet of the source; see `sr4k.media.writing.tracks.TrackWriter`."""
        for told, form in self._forms.told(packet):
            yield from self._sent(self._conversion.packets(told, form))

    def drain(self) -> Iterator["Packet[Any]"]:
        """Emit what is held back; see `sr4k.media.writing.tracks.TrackWriter`."""
        self._forms.drop_doubtful()
        self.lost[UNLIKE] += self._forms.unlike
        yield from self._sent(self._conversion.drain())

    def _sent(self, packets: Iterator["Packet[Any]"]) -> Iterator["Packet[Any]"]:
        for packet in packets:
            packet.stream = self.stream
            yield packet


def _codec_for(source: AudioCodecContext, container: str) -> str:
    """Return the encoder for a container: a lossless one for lossless sound where the container has one."""
    is_whole = source.codec.lossless and not source.codec.lossy
    return "flac" if is_whole and container in _LOSSLESS else CODECS[container]


def _layouts_for(codec: str, container: str, speakers: Speakers) -> Sequence[str]:
    """Return the layouts to choose from; for FLAC those that keep each channel apart, if there are any."""
    if codec != "flac":
        return _LAYOUTS.get(container, (*NUMBERED, *_SPELLED_OUT))
    known = {layout: places(speakers, layout) for layout in _FLAC_LAYOUTS[container]}
    whole = [layout for layout, found in known.items() if found and not any("*" in share for share in found.values())]
    return whole or list(known)


def opened(codec: str, layout: str, rate: int, whole: str) -> AudioCodecContext:
    """Return an open encoder.

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
    if codec in _BITS_OF_A_CHANNEL:
        context.bit_rate = _BITS_OF_A_CHANNEL[codec] * context.layout.nb_channels
    try:
        context.open(strict=False)
    except (av.error.FFmpegError, OSError) as err:
        raise ValueError from err
    return context
