"""Decodes a track of sound whose codec may change midway."""

from typing import Any

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.packet import Packet

from sr4k.media.reading.sound_form import SoundForm


class SoundDecoder:
    """Decodes each packet with the decoder of its codec; changes of rate and channels decoders follow by themselves.

    Args:
        declared: the track's codec context, as the source's header declares it.
    """

    def __init__(self, declared: AudioCodecContext) -> None:
        self._declared = self._decoder = declared
        self._codec = declared.codec.canonical_name

    def decode(self, packet: "Packet[Any] | None", form: SoundForm | None) -> list[AudioFrame]:
        """Decode a packet of a form, if that is known. Without a packet, return what the decoder holds back.

        Raises:
            av.error.FFmpegError: it can't be decoded.
        """
        if form is not None and form.codec != self._codec:
            self._codec = form.codec
            is_declared = form.codec == self._declared.codec.canonical_name
            self._decoder = self._declared if is_declared else _decoder_of(form.codec)
        frames = self._decoder.decode(packet)
        if packet is None:
            self._decoder.flush_buffers()  # another part of the track may follow, which libav would refuse after an end
        return frames


def _decoder_of(codec: str) -> AudioCodecContext:
    decoder = AudioCodecContext.create(codec, "r")
    assert isinstance(decoder, AudioCodecContext)
    return decoder
