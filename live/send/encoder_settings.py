"""Choose low-latency encoder settings (no look-ahead, no B-frames, a held bit rate) and the lengths of HLS segments."""

import math
from fractions import Fraction

from sr4k.live.settings import HlsForm, PlayoutSettings
from sr4k.media.options import Codec, EncoderSettings
from sr4k.media.video import VideoInfo
from sr4k.media.writing.encoder_table import ENCODERS, live_options

_BITS_A_PIXEL = 0.1
"""Default bits per pixel for H.264: 25 Mbit/s for 3840x2160 at 30 fps."""

_LEAST_BITS = 64_000
"""Lowest default bit rate, in bit/s: encoders refuse to open with a few hundred."""

_SHARE: dict[Codec, float] = {"h264": 1.0, "hevc": 0.7, "av1": 0.6}
"""Bits that each codec needs for about the same quality, relative to H.264."""


def encoder_settings(settings: PlayoutSettings, info: VideoInfo) -> EncoderSettings:
    """Return the encoder's settings for a stream of these pictures.

    The playout forces key frames by time. ``g`` is twice that period, so that the encoder, which counts pictures, adds
    one of its own only where none was forced.
    """
    asked = round(_BITS_A_PIXEL * _SHARE[settings.codec] * info.width * info.height * info.rate)
    bitrate = settings.bitrate or max(_LEAST_BITS, asked)
    pictures = max(1, round(2 * Fraction(settings.key_seconds) * info.rate))
    options = {"g": str(pictures)} | live_options(ENCODERS[settings.encoder, settings.codec], bitrate)
    return EncoderSettings(
        codec=settings.codec,
        encoder=settings.encoder,
        bitrate=bitrate,
        preset=settings.preset,
        options=options | dict(settings.options),
    )


def hls_form(settings: PlayoutSettings, info: VideoInfo) -> HlsForm:
    """Return the HLS segment form, with a target duration that holds when pictures arrive late.

    A segment exceeds the key frame period by the delay of the next segment's first picture: one frame interval
    normally; on a slow machine up to four, or ``hold`` seconds, after which a picture is repeated.
    """
    picture = float(1 / info.rate)
    late = 1.1 * max(picture, min(4 * picture, settings.hold))
    longest = max(1, math.floor(settings.key_seconds + late + 0.5))
    return HlsForm(kind=settings.segments, seconds=settings.key_seconds, longest=longest)
