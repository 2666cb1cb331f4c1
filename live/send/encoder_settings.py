"""What encoders are told for a stream that must not wait: no look ahead, no B-frames, a bit rate that is held.

And what comes of that for HLS, whose segments end where key frames come by time.
"""

import math
from fractions import Fraction
from typing import Any

from sr4k.live.settings import HlsForm, PlayoutSettings
from sr4k.media.options import EncoderSettings
from sr4k.media.video import VideoInfo

_BITS_A_PIXEL = 0.1
"""Of H.264, where no bit rate is asked for: 25 Mbit/s for 3840x2160 at 30."""

_LEAST_BITS = 64_000
"""A second, of however small pictures: with a few hundred no encoder can be opened."""

_SHARE: dict[str, float] = {"h264": 1.0, "hevc": 0.7, "av1": 0.6}
"""Of those bits that a codec needs for about the same."""


def encoder_settings(settings: PlayoutSettings, info: VideoInfo) -> EncoderSettings:
    """Key frames are ours to force, by time: an encoder counts pictures, and adds its own only if we did not."""
    codec = settings.codec.removesuffix("_nvenc")
    asked = round(_BITS_A_PIXEL * _SHARE[codec] * info.width * info.height * info.rate)
    bitrate = settings.bitrate or max(_LEAST_BITS, asked)
    pictures = max(1, round(2 * Fraction(settings.key_seconds) * info.rate))
    options: dict[str, Any] = {"g": pictures} | _low_delay(settings.codec, bitrate)
    return EncoderSettings(
        codec=settings.codec,
        bitrate=bitrate,
        preset=settings.preset,
        options={key: str(value) for key, value in options.items()} | dict(settings.options),
    )


def _low_delay(codec: str, bitrate: int) -> dict[str, Any]:
    """``bufsize`` is the decoder's buffer of ISO 14496-10 annex C: a second of the stream."""
    held = {"maxrate": bitrate, "bufsize": bitrate}
    if codec == "h264":
        return held | {"tune": "zerolatency", "sc_threshold": 0, "forced-idr": 1, "flags": "+cgop"}
    if codec == "hevc":
        return held | {"tune": "zerolatency", "forced-idr": 1, "x265-params": "scenecut=0:open-gop=0:log-level=error"}
    if codec == "av1":
        return {"svtav1-params": "rtc=1:rc=2:pred-struct=1"}  # real time, constant bit rate, low delay
    return held | {"tune": "ull", "zerolatency": 1, "forced-idr": 1, "rc": "cbr"}


def hls_form(settings: PlayoutSettings, info: VideoInfo) -> HlsForm:
    """A segment is longer than the time between key frames by as much as the first picture of the next one is late.

    That is a picture's time, where none are missing; where the machine is slow, four, or until one is repeated.
    """
    picture = float(1 / info.rate)
    late = 1.1 * max(picture, min(4 * picture, settings.hold))
    longest = max(1, math.floor(settings.key_seconds + late + 0.5))
    return HlsForm(kind=settings.segments, seconds=settings.key_seconds, longest=longest)
