"""The only place that decides which codec a video gets. Light to import, so that a job can be refused early."""

from dataclasses import replace
from pathlib import Path
from typing import cast

from sr4k.errors import OptionError
from sr4k.media.options import Codec, CodecChoice, WriteSettings
from sr4k.media.writing.containers import CONTAINERS
from sr4k.media.writing.encoder_limits import check_quality, takes_preset

_AUTO = ("auto", "auto_nvenc")


def chosen_codec(choice: CodecChoice, target: Path | None = None, *, bits: int = 8, nvenc: bool = True) -> Codec:
    """Return the codec of a video.

    Args:
        choice: The codec asked for. ``auto`` is AV1 in WebM, which holds none of the others; HEVC for more than 8
            bits, which few decoders of H.264 support; and else H.264.
        target: File whose suffix chooses the container; ``None``: a container that holds all codecs.
        bits: Bits per sample.
        nvenc: Whether an NVIDIA GPU can encode here. If not, the same codec is encoded on the CPU.
    """
    family, _, on_gpu = choice.partition("_")
    if family == "auto":
        family = "av1" if _is_webm(target) else "hevc" if bits > 8 else "h264"
    return cast(Codec, f"{family}_nvenc" if on_gpu and nvenc else family)


def check_container(choice: CodecChoice, target: Path) -> None:
    """Refuse a codec that the container chosen by the target's suffix can't hold.

    Raises:
        OptionError: WebM can't hold the codec.
    """
    codec = chosen_codec(choice, target)
    if _is_webm(target) and not codec.startswith("av1"):
        raise OptionError(f"webm files can't hold {codec} video: choose another container or codec.")


def check_speed(choice: CodecChoice, speed: str, target: Path) -> None:
    """Refuse a speed that a person asked for, and that the encoder chosen for the target doesn't have.

    A preset may name a speed of the encoder that it is mostly used with: `settled` replaces that one without an error.

    Raises:
        OptionError: The encoder has no such speed; names those that it has.
    """
    codec = chosen_codec(choice, target)
    try:
        check_quality(codec, None, speed)
    except ValueError as err:
        raise OptionError(f"{target} is encoded as {codec}: {err}.") from err


def settled(settings: WriteSettings, *, bits: int, nvenc: bool = True) -> WriteSettings:
    """Return the settings with the codec that pictures of so many bits get, without what was meant for another encoder.

    NVENC has options of its own. AV1 names its speeds otherwise than H.264 and HEVC, so a preset's speed for these is
    dropped.
    """
    codec = chosen_codec(settings.codec, settings.path, bits=bits, nvenc=nvenc)
    if settings.codec.endswith("_nvenc") and not nvenc:
        return replace(settings, codec=codec, preset=None, crf=None, options={})
    is_switched = settings.codec in _AUTO and codec != chosen_codec(settings.codec, bits=bits)
    if is_switched and settings.preset is not None and not takes_preset(codec, settings.preset):
        return replace(settings, codec=codec, preset=None)
    return replace(settings, codec=codec)


def _is_webm(target: Path | None) -> bool:
    return target is not None and CONTAINERS.get(target.suffix.lower()) == "webm"
