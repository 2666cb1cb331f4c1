"""The only place that decides which codec and encoder a video gets. Light to import, so that jobs are refused early."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sr4k.errors import OptionError
from sr4k.media.options import Codec, CodecChoice, EncoderChoice, EncoderKind, ResultSettings, WriteSettings
from sr4k.media.writing.containers import CONTAINERS
from sr4k.media.writing.encoder_limits import check_quality, takes_preset
from sr4k.media.writing.encoder_table import called

_Settings = TypeVar("_Settings", bound=ResultSettings)


def chosen_codec(choice: CodecChoice, target: Path | None = None, *, bits: int = 8) -> Codec:
    """Return the codec of a video.

    Args:
        choice: The codec asked for. ``auto`` is AV1 in WebM, which holds none of the others; HEVC for more than 8
            bits, which few decoders of H.264 support; and else H.264.
        target: File whose suffix chooses the container; ``None``: a container that holds all codecs.
        bits: Bits per sample.
    """
    if choice != "auto":
        return choice
    usual: Codec = "hevc" if bits > 8 else "h264"
    return usual if target is None or holds(_container(target), usual) else "av1"


def holds(container: str, codec: Codec) -> bool:
    """Whether a container, by libav's name, can hold a codec: WebM only AV1."""
    return container != "webm" or codec == "av1"


def possible_encoders(choice: EncoderChoice, *, on_gpu: bool) -> tuple[EncoderKind, ...]:
    """Return what may encode, the best first.

    ``auto`` is software, whose quality is the best for a size, unless frames stay in the memory of an NVIDIA GPU up to
    the encoder: then it is NVENC, if that is proven to open.

    Args:
        choice: The encoder asked for.
        on_gpu: Whether one worker of the graph holds all stages, so that frames may stay on a GPU.
    """
    if choice != "auto":
        return (choice,)
    return ("nvenc", "software") if on_gpu else ("software",)


def check_container(choice: CodecChoice, target: Path) -> None:
    """Refuse a codec that the container chosen by the target's suffix can't hold.

    Raises:
        OptionError: WebM can't hold the codec.
    """
    codec = chosen_codec(choice, target)
    if not holds(container := _container(target), codec):
        raise OptionError(f"{container} files can't hold {codec} video: choose another container or codec.")


def check_speed(choice: CodecChoice, kinds: Sequence[EncoderKind], speed: str, target: Path) -> None:
    """Refuse a speed that a person asked for, and that the encoder chosen for the target doesn't have.

    A preset may name a speed of the encoder that it is mostly used with: `settled` replaces that one without an error.

    Args:
        choice: The codec asked for.
        kinds: What may encode.
        speed: Name of the speed.
        target: File whose suffix chooses the container.

    Raises:
        OptionError: The encoder has no such speed; names those that it has.
    """
    codec = chosen_codec(choice, target)
    try:
        check_quality(codec, kinds, None, speed)
    except ValueError as err:
        raise OptionError(f"{target} is encoded as {called(kinds[0], codec)}: {err}.") from err


def settled(settings: _Settings, *, bits: int) -> _Settings:
    """Return the settings with the codec and encoder that pictures of so many bits in the CPU's memory get.

    AV1 names its speeds otherwise than H.264 and HEVC, so a preset's speed for these is dropped.
    """
    codec = chosen_codec(settings.codec, settings.path, bits=bits)
    (encoder,) = possible_encoders(settings.encoder, on_gpu=False)
    chosen = replace(settings, codec=codec, encoder=encoder)
    is_switched = codec != chosen_codec(settings.codec, bits=bits)
    if is_switched and settings.preset is not None and not takes_preset(encoder, codec, settings.preset):
        return replace(chosen, preset=None)
    return chosen


def in_software(settings: WriteSettings) -> WriteSettings:
    """Return the settings for the CPU, without what was meant for the encoder that can't be used."""
    return replace(settings, encoder="software", preset=None, crf=None, options={})


def _container(target: Path) -> str:
    """Return libav's name of the container; empty for what is none, such as pictures."""
    return CONTAINERS.get(target.suffix.lower(), "")
