"""A segment is encoded on any machine as on the one that joins it."""

from io import BytesIO

import av
import numpy as np
import pytest
from clips import picture

from sr4k.media.options import EncoderSettings
from sr4k.media.writing.encoder_threads import pinned, seen_cpus

SIZE = (640, 360)


def encoded(settings: EncoderSettings) -> bytes:
    made = BytesIO()
    with av.open(made, "w", format="h264") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "30", **settings.options})
        stream.width, stream.height = SIZE
        for number in range(3):
            rgb = np.ascontiguousarray(picture(number, *SIZE))
            target.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        target.mux(stream.encode(None))
    return made.getvalue()


@pytest.mark.slow(seconds=1)
def test_the_number_that_is_set_is_the_one_that_the_encoder_would_choose() -> None:
    settings = EncoderSettings()
    assert encoded(pinned(settings, seen_cpus(), SIZE[1])) == encoded(settings)
    assert encoded(pinned(settings, seen_cpus() + 1, SIZE[1])) != encoded(settings)


def test_what_the_user_chose_stays_and_other_encoders_are_left_alone() -> None:
    for settings in (
        EncoderSettings(options={"threads": "3"}),
        EncoderSettings(options={"thread_type": "frame"}),
        EncoderSettings(codec="hevc"),
        EncoderSettings(codec="av1"),
    ):
        assert pinned(settings, 8, 1080) is settings
    assert pinned(EncoderSettings(), 8, 96).options == {"threads": "3"}
