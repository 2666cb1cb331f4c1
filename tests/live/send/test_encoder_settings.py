"""Settings of the encoders of live streams."""

import io
from fractions import Fraction

import av
import pytest

from sr4k.live.send.encoder_settings import encoder_settings, hls_form
from sr4k.live.settings import PlayoutSettings
from sr4k.live.timeline import TIME_BASE
from sr4k.media.options import Codec, EncoderKind
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.encoder_table import ENCODERS
from sr4k.models.colour import Colour


def info(rate: float, size: tuple[int, int] = (64, 64)) -> VideoInfo:
    rate_of = Fraction(rate).limit_denominator(1001)
    return VideoInfo(
        width=size[0],
        height=size[1],
        time_base=TIME_BASE,
        rate=rate_of,
        tags=ColourTags(6, 1, 6, 6),
        colour=Colour("bt601"),
    )


@pytest.mark.parametrize("size", [(32, 32), (64, 64)])
def test_the_smallest_pictures_and_rates_have_a_bit_rate_that_the_encoder_takes(size: tuple[int, int]) -> None:
    settings = PlayoutSettings(targets=(), sound=None)
    with av.open(io.BytesIO(), "w", format="flv") as container:
        open_encoder(add_video(container, info(1, size), encoder_settings(settings, info(1, size))))


@pytest.mark.parametrize("key", [key for key, row in ENCODERS.items() if row.name in av.codecs_available], ids="_".join)
def test_every_encoder_is_configured_with_options_that_it_has_and_the_bit_rate_that_is_usual_for_its_codec(
    key: tuple[EncoderKind, Codec],
) -> None:
    kind, codec = key
    settings = PlayoutSettings(targets=(), sound=None, codec=codec, encoder=kind, options={"g": "10"})
    made = encoder_settings(settings, info(25, (640, 360)))
    assert (made.codec, made.encoder, made.options["g"]) == (codec, kind, "10"), "a person's options come last"
    assert made.bitrate == round({"h264": 0.1, "hevc": 0.07, "av1": 0.06}[codec] * 640 * 360 * 25)
    with av.open(io.BytesIO(), "w", format="flv") as container:
        assert add_video(container, info(25, (640, 360)), made).codec_context.name == ENCODERS[key].name


@pytest.mark.parametrize(
    ("rate", "key_seconds", "longest"),
    [(25, 2.0, 2), (60, 2.0, 2), (10, 2.0, 2), (1, 2.0, 3), (25, 4.0, 4), (25, 0.5, 1)],
)
def test_no_segment_is_longer_than_is_promised(rate: int, key_seconds: float, longest: int) -> None:
    form = hls_form(PlayoutSettings(targets=(), sound=None, key_seconds=key_seconds), info(rate))
    assert form.longest == longest
    assert round(key_seconds + 1 / rate) <= form.longest
