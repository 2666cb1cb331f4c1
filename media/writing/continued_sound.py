"""Copies sound, and converts what changes midway to the form that the target's header describes."""

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from av.audio.stream import AudioStream
from av.packet import Packet

from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import Speakers, spelled
from sr4k.media.reading.sound_form import UNLIKE, FormOfSound, SoundForm, form_of_header, framed
from sr4k.media.writing.audio_encoder import NUMBERED, opened
from sr4k.media.writing.sound_conversion import Conversion
from sr4k.media.writing.tracks import Copied

_ENCODERS = {"aac": "aac", "mp2": "mp2", "mp3": "libmp3lame", "ac3": "ac3", "eac3": "eac3"}
"""Encoder by codec; names are libav's."""

_KEEP_FRAMES = {"mpegts", "nut"}
"""Containers in which AAC whose packets describe themselves (ADTS) stays so, and may change its parameters."""

_KEEP_HEADERS = {"flv"}
"""Containers in which AAC may have another header midway."""


class Continued:
    """Copies the packets that have the form which a track began with, and converts all others to that form.

    Attributes:
        stream: The target's stream.
        lost: Packets of the source that could not be used, counted by reason.

    Args:
        copied: Copies packets to the target.
        source: Stream of the source.
        speakers: Its channels.
        first: Its first packet, if known.
        container: libav's name of the target's container.
        tell: Takes a sentence about sound that is converted, once for each form.
    """

    def __init__(
        self,
        copied: Copied,
        source: AudioStream,
        speakers: Speakers,
        first: "Packet[Any] | None",
        container: str,
        tell: Callable[[str], None],
    ) -> None:
        self.stream = copied.stream
        self.lost: Counter[str] = Counter()
        self._copied, self._source, self._speakers = copied, source.codec_context, speakers
        self._container, self._tell = container, tell
        self._is_framed = not self._source.extradata
        self._keeps_changes = container in (_KEEP_FRAMES if self._is_framed else _KEEP_HEADERS)
        self._forms = FormOfSound(self._source, first)
        self._other: SoundForm | None = None  # the current form, if packets aren't copied
        self._conversion: Conversion | None = None
        self._end = Fraction(0)  # end of the copied packets so far, in seconds
        self._told: dict[SoundForm, str] = {}  # what has become of other forms

    def packets(self, packet: "Packet[Any]") -> Iterator["Packet[Any]"]:
        """Copy or convert a packet; see `sr4k.media.writing.tracks.TrackWriter`."""
        for told, form in self._forms.told(packet):
            yield from self._written(told, form)

    def drain(self) -> Iterator["Packet[Any]"]:
        """Emit what is held back; see `sr4k.media.writing.tracks.TrackWriter`."""
        self._forms.drop_doubtful()
        self.lost[UNLIKE] += self._forms.unlike
        yield from self._ended(None)

    def _written(self, packet: "Packet[Any]", form: SoundForm | None) -> Iterator["Packet[Any]"]:
        at = _start(packet)
        if form is None or not self._is_other(form):
            if self._other is not None:
                yield from self._ended(at)
            self._end = at + (packet.duration or 0) * Fraction(packet.time_base or 0)
            yield from self._copied.packets(self._plain(packet))
            return
        if form != self._other:
            yield from self._ended(at)
            self._begin(form, at)
        if self._conversion is None:
            self.lost[self._told[form]] += 1
        else:
            yield from self._fitting(self._conversion.packets(packet, form), None)

    def _plain(self, packet: "Packet[Any]") -> "Packet[Any]":
        """Return a packet without a header that it repeats: libav's muxer of Matroska would write it over others."""
        if self._container in _KEEP_HEADERS or not packet.has_sidedata("new_extradata"):
            return packet
        plain: Packet[Any] = Packet(bytes(packet))
        plain.pts, plain.dts, plain.time_base, plain.duration = (
            packet.pts,
            packet.dts,
            packet.time_base,
            packet.duration,
        )
        plain.stream = packet.stream
        plain.is_keyframe = packet.is_keyframe
        return plain

    def _is_other(self, form: SoundForm) -> bool:
        """Whether packets of a form can't be copied."""
        declared = self._forms.declared
        return declared is not None and form != declared and (form.codec != declared.codec or not self._keeps_changes)

    def _begin(self, form: SoundForm, at: Fraction) -> None:
        declared = self._forms.declared
        assert declared is not None
        self._other = form
        before, after = declared.change_to(form)
        try:
            self._conversion = self._conversion_to(declared)
        except ValueError:
            why = f"{before} becomes {after} at {float(at):.2f} s, which a track of {self._container} can't do"
            self._told.setdefault(form, f"{why}, and can't be converted back (in a .webm file all sound is converted)")
            return
        if form not in self._told:
            self._told[form] = f"converted from {after} to {before} from {float(at):.2f} s on"
            self._tell(self._told[form])

    def _ended(self, until: Fraction | None) -> Iterator["Packet[Any]"]:
        """End the current conversion, if there is one, where copied packets go on; ``None``: at the track's end."""
        if self._conversion is not None:
            yield from self._fitting(self._conversion.drain(), until)
            self.lost.update(self._conversion.lost)
        self._other = self._conversion = None

    def _fitting(self, packets: Iterator["Packet[Any]"], until: Fraction | None) -> Iterator["Packet[Any]"]:
        """Yield the packets of a conversion of which most lies between the copied ones before and after it."""
        for made in packets:
            middle = _start(made) + (made.duration or 0) * Fraction(made.time_base or 0) / 2
            if middle < self._end or (until is not None and middle > until):
                continue
            packet: Packet[Any] = Packet(self._headed(bytes(made)))  # without side data, which is about a file's ends
            packet.pts, packet.dts, packet.time_base = made.pts, made.dts, made.time_base
            packet.duration = made.duration
            packet.stream = self.stream
            yield packet

    def _headed(self, data: bytes) -> bytes:
        """Give a packet the header that the source's packets have."""
        declared = self._forms.declared
        assert declared is not None
        return framed(declared, data) if declared.codec == "aac" and self._is_framed else data

    def _conversion_to(self, form: SoundForm) -> Conversion:
        """Return what converts sound to a form.

        Raises:
            ValueError: The encoder can't make it.
        """
        if form.codec not in _ENCODERS or form.channels > len(NUMBERED):
            raise ValueError
        rate = form.rate or self._source.sample_rate
        layout = NUMBERED[form.channels - 1] if form.channels else spelled(self._speakers)
        encoder = opened(_ENCODERS[form.codec], layout, rate, "s16")
        if form.codec == "aac" and form_of_header(encoder.extradata or b"") != form:
            raise ValueError
        mixer = Mixer(self._speakers, layout, rate)
        return Conversion(self._source, encoder, mixer, form="flt", layout=layout, rate=rate)


def _start(packet: "Packet[Any]") -> Fraction:
    """Time of a packet in seconds."""
    return Fraction((packet.dts if packet.pts is None else packet.pts) or 0) * Fraction(packet.time_base or 0)
