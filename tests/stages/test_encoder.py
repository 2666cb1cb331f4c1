import os
from fractions import Fraction
from pathlib import Path

import av
import pytest

from sr4k.engines.nvidia import driver
from sr4k.errors import OptionError
from sr4k.models.colour import Colour
from sr4k.stages.encoder import add_video, open_encoder
from sr4k.stages.settings import EncoderSettings
from sr4k.stages.video import ColourTags, VideoInfo

INFO = VideoInfo(
    width=64,
    height=48,
    time_base=Fraction(1, 25),
    rate=Fraction(25),
    sample_aspect_ratio=None,
    tags=ColourTags(1, 1, 1, 1),
    colour=Colour(),
    display_matrix=None,
)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_no_encoder_takes_the_cpus_from_everybody_else(codec: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "out.mkv"), "w") as target:
        stream = add_video(target, INFO, EncoderSettings(codec=codec))  # type: ignore[arg-type]
        open_encoder(stream, codec)
        for number in range(5):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(picture))
        policies = {os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()}
        target.mux(stream.encode(None))
    assert policies == {os.SCHED_OTHER}


UNOPENABLE = {"h264": {"preset": "nonsense"}, "hevc": {"preset": "nonsense"}, "av1": {"preset": "99"}}
if not driver().gpus:
    UNOPENABLE |= {"h264_nvenc": {}, "hevc_nvenc": {}, "av1_nvenc": {}}


@pytest.mark.parametrize("codec", UNOPENABLE)
def test_an_encoder_that_cannot_be_opened_is_told_and_does_no_harm(codec: str, tmp_path: Path) -> None:
    settings = EncoderSettings(codec=codec, options=UNOPENABLE[codec])  # type: ignore[arg-type]
    with av.open(str(tmp_path / "out.mkv"), "w") as target:
        stream = add_video(target, INFO, settings)
        with pytest.raises(OptionError, match=f"The {codec} encoder can't be opened"):
            open_encoder(stream, codec)
