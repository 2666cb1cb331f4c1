"""Settings of the encoders of live streams."""

import io
from fractions import Fraction

import av
import pytest

from sr4k.live.send.encoder_settings import encoder_settings, hls_form
from sr4k.live.settings import PlayoutSettings
from sr4k.live.timeline import TIME_BASE
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.media.writing.encoder import add_video, open_encoder
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


@pytest.mark.parametrize(
    ("rate", "key_seconds", "longest"),
    [(25, 2.0, 2), (60, 2.0, 2), (10, 2.0, 2), (1, 2.0, 3), (25, 4.0, 4), (25, 0.5, 1)],
)
def test_no_segment_is_longer_than_is_promised(rate: int, key_seconds: float, longest: int) -> None:
    form = hls_form(PlayoutSettings(targets=(), sound=None, key_seconds=key_seconds), info(rate))
    assert form.longest == longest
    assert round(key_seconds + 1 / rate) <= form.longest
