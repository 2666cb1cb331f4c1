"""What packets of sound tell of their codec, and of the parameters of AAC: joined recordings change them midway."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet

from sr4k.media.reading.sound_times import SoundTimes

_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
"""Sample rates in Hz by AAC's index (ISO 14496-3, table 1.18)."""

_LAYERS = {1: "mp3", 2: "mp2", 3: "mp1"}
"""Codecs by the layer bits of an MPEG audio header."""

_SYNCED = {"aac", "ac3", "dts", "eac3", *_LAYERS.values()}
"""Codecs whose packets begin with a sync word."""

UNLIKE = "headers that contradict each other"
"""Why packets are left out that look like sound of another form."""

_SURE = 3
"""Packets in a row whose form is another one, until it counts."""

_LARGEST = 1 << 16
"""Most bytes of a packet of the codecs above, with some to spare; DTS-HD has larger ones."""

_EAC3 = 10
"""Bit stream identification above which a frame that begins like AC-3 is E-AC-3 (ETSI TS 102 366, annex E)."""


@dataclass(frozen=True, slots=True)
class SoundForm:
    """What a decoder has to know of sound before it can decode it.

    Attributes:
        codec: libav's name.
        profile: MPEG-4 audio object type; 0 where the codec is not AAC, as for all of the following.
        rate: sample rate in Hz.
        channels: AAC's number of a channel configuration.
    """

    codec: str
    profile: int = 0
    rate: int = 0
    channels: int = 0

    def change_to(self, after: "SoundForm") -> tuple[str, str]:
        """Name all that differs, before and after, for people; of another codec the codec alone."""
        if self.codec != after.codec:
            return self.codec, after.codec
        before_and_after = zip(self._in_words(), after._in_words(), strict=True)
        differing = [pair for pair in before_and_after if pair[0] != pair[1]]
        return ", ".join(before for before, _ in differing), ", ".join(other for _, other in differing)

    def _in_words(self) -> tuple[str, str, str]:
        return f"{self.rate} Hz", _channels(self.channels), f"AAC's object type {self.profile}"


class FormOfSound:
    """Follows the form of one track from packet to packet.

    Another form counts when some packets in a row have it: bits of sound may look like the beginning of a packet.

    Attributes:
        declared: the form at the beginning, which the header of a result describes; ``None`` until a packet told it.
        unlike: packets that were left out, as they look like sound of another form, and are not.

    Args:
        source: the track's codec context, as the source's header declares it.
        first: the track's first packet, if known.
    """

    def __init__(self, source: AudioCodecContext, first: "Packet[Any] | None" = None) -> None:
        self._codec = source.codec.canonical_name
        # AAC with a header has no sync words: its packets may begin with any bits
        self._has_header = self._codec == "aac" and bool(source.extradata)
        self._is_synced = not self._has_header and self._codec in _SYNCED
        self.declared = form_of_header(source.extradata or b"") if self._has_header else None
        self._now = self.declared
        self._doubtful: list[Packet[Any]] = []  # a few that have another form
        self._doubtful_form: SoundForm | None = None
        self._is_adrift = False  # whether the last packets had no form that counts
        self._times = SoundTimes()
        self.unlike = 0
        if first is not None:
            self._begin(first)

    def told(self, packet: "Packet[Any]") -> "Iterator[tuple[Packet[Any], SoundForm | None]]":
        """Yield packets, at their right times, with their forms, or nothing yet; ``None``: nothing is known of them."""
        for each, form in self._sorted(packet):
            if form is not None and self.declared is not None:
                self._times.correct(each, form.rate, self.declared.rate)
            yield each, form

    def _sorted(self, packet: "Packet[Any]") -> "Iterator[tuple[Packet[Any], SoundForm | None]]":
        if not packet.size:
            yield packet, self._now
        elif not self._is_synced:
            if self._has_header and packet.has_sidedata("new_extradata"):
                self._now = form_of_header(bytes(packet.get_sidedata("new_extradata"))) or self._now
            yield packet, self._now
        elif self.declared is None:
            self._begin(packet)
            yield packet, self._now
        elif self._is_too_large(packet):
            self._leave_out(packet)
        elif (form := form_of_frame(packet)) == self._now:
            self._leave_out()
            self._is_adrift = False
            yield packet, form
        elif form is not None:
            yield from self._in_doubt(packet, form)
        elif self._doubtful or self._is_adrift:
            self._leave_out(packet)
        else:
            yield packet, self._now

    def drop_doubtful(self) -> None:
        """Count what is still in doubt at the track's end as unlike any form."""
        self._leave_out()

    def _begin(self, packet: "Packet[Any]") -> None:
        """Take the form of the first packet that tells one."""
        form = form_of_frame(packet) if self._is_synced else None
        if form is not None and form.codec != self._codec:  # a wrong header from the beginning, and no change
            self._is_synced = False
        elif form is not None:
            self.declared = self._now = form

    def _is_too_large(self, packet: "Packet[Any]") -> bool:
        """Whether a packet is larger than any frame: the parser of its codec found no other frame for long."""
        return packet.size > _LARGEST and self._codec != "dts"

    def _in_doubt(self, packet: "Packet[Any]", form: SoundForm) -> "Iterator[tuple[Packet[Any], SoundForm | None]]":
        if form != self._doubtful_form:
            self._leave_out()
        self._doubtful.append(packet)
        self._doubtful_form = form
        if len(self._doubtful) == _SURE:
            self._now = form
            yield from [(each, form) for each in self._doubtful]
            self._doubtful, self._doubtful_form, self._is_adrift = [], None, False

    def _leave_out(self, *packets: "Packet[Any]") -> None:
        """Leave out packets, and those in doubt."""
        number = len(self._doubtful) + len(packets)
        self.unlike += number
        self._is_adrift = self._is_adrift or number > 0
        self._doubtful, self._doubtful_form = [], None


def _channels(configuration: int) -> str:
    number = 8 if configuration == 7 else configuration
    return f"{number or 'unnumbered'} channel{'s' if number != 1 else ''}"


def form_of_frame(packet: "Packet[Any]") -> SoundForm | None:
    """Read the sync word at the beginning of a packet; ``None``: there is none."""
    head = bytes(memoryview(packet)[:6])
    if len(head) < 6:
        return None
    word, bits = int.from_bytes(head[:2]), int.from_bytes(head[2:4])
    if word & 0xFFF6 == 0xFFF0:  # ADTS (ISO 14496-3, 1.A.2): layer 0
        index = bits >> 10 & 15
        if index >= len(_RATES):
            return None
        return SoundForm("aac", (bits >> 14) + 1, _RATES[index], bits >> 6 & 7)
    if word & 0xFFE0 == 0xFFE0 and (layer := _LAYERS.get(word >> 1 & 3)):
        is_reserved = word >> 3 & 3 == 1 or bits >> 12 in (0, 15) or bits >> 10 & 3 == 3  # version, bit rate, rate
        return None if is_reserved else SoundForm(layer)
    if word == 0x0B77:
        return SoundForm("eac3" if head[5] >> 3 > _EAC3 else "ac3")
    return SoundForm("dts") if head[:4] == b"\x7f\xfe\x80\x01" else None


def form_of_header(data: bytes) -> SoundForm | None:
    """Read AAC's header (AudioSpecificConfig, ISO 14496-3, 1.6.2.1); ``None``: it is cut off or has reserved values."""
    if len(data) < 2:
        return None
    bits, length = int.from_bytes(data[:8]), 8 * len(data[:8])

    def read(at: int, number: int) -> int:
        return bits >> max(0, length - at - number) & ((1 << number) - 1)

    profile, index = read(0, 5), read(5, 4)
    if index == 15:  # the rate is spelled out
        return SoundForm("aac", profile, read(9, 24), read(33, 4)) if len(data) >= 5 else None
    return SoundForm("aac", profile, _RATES[index], read(9, 4)) if index < len(_RATES) else None


def framed(form: SoundForm, data: bytes) -> bytes:
    """Put AAC's header for each packet (ADTS, without a checksum) before a packet."""
    length = len(data) + 7
    bits = 0xFFF1 << 40 | (form.profile - 1) << 38 | _RATES.index(form.rate) << 34 | form.channels << 30
    return (bits | length << 13 | 0x7FF << 2).to_bytes(7) + data
