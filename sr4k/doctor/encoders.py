"""Probes of hardware encoders: each is opened and encodes a few pictures; where that fails, it says what is missing."""

from collections.abc import Iterator

from sr4k.doctor import Finding
from sr4k.engines.nvidia import driver
from sr4k.media.options import Codec, EncoderKind
from sr4k.media.writing.encoder_table import CODECS, HARDWARE
from sr4k.media.writing.hardware import trouble_with


def _encoders() -> Iterator[Finding]:
    for kind in HARDWARE:
        for codec in CODECS:
            yield _encoder(kind, codec)


def _encoder(kind: EncoderKind, codec: Codec) -> Finding:
    name = f"{kind.upper()} {codec}"
    trouble = trouble_with(kind, codec)
    if trouble is None:
        return Finding(name, "ok", f"works: --encoder {kind}")
    if kind == "nvenc" and not driver().gpus:
        return Finding(name, "optional", "no NVIDIA GPU")  # another section says why
    return Finding(name, "optional", trouble.reason, trouble.mend)


PROBES = (_encoders,)
