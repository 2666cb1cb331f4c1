"""Video as it is: its header, what it can't hold, and the times of its frames."""

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import write_clip
from infos import video_info

from sr4k.errors import OutputError
from sr4k.media.headers import chroma_location
from sr4k.media.video import ColourTags, VideoInfo
from sr4k.media.writing.raw_video import FRAME, Grid, left_out, y4m_header
from sr4k.models.colour import ChromaLocation, Colour
from sr4k.pipeline import FrameInfo

MILLISECOND = Fraction(1, 1000)


def read(info: VideoInfo, rate: Fraction = Fraction(25)) -> tuple[av.VideoStream, list[av.VideoFrame]]:
    """What libav reads of two frames with the header of ``info``."""
    size = info.width * info.height * 3 // 2 * (2 if info.colour.bits > 8 else 1)
    container = av.open(io.BytesIO(y4m_header(info, rate) + 2 * (FRAME + bytes(size))))
    return container.streams.video[0], list(container.decode(video=0))


@pytest.mark.parametrize("location", ["left", "center", "topleft"])
def test_the_header_holds_size_rate_pixel_shape_range_and_chroma_location(location: ChromaLocation) -> None:
    info = video_info(
        colour=Colour(chroma_location=location), tags=ColourTags(1, 2, 1, 1), sample_aspect_ratio=Fraction(64, 45)
    )
    video, frames = read(info, Fraction(30000, 1001))
    assert (video.width, video.height, video.pix_fmt) == (64, 48, "yuv420p")
    assert (video.average_rate, video.sample_aspect_ratio) == (Fraction(30000, 1001), Fraction(64, 45))
    assert ([frame.pts for frame in frames], frames[0].color_range) == ([0, 1], 2)
    assert chroma_location(video) == location


def test_ten_bits_are_written_as_such() -> None:
    _, frames = read(video_info(colour=Colour(bits=10), pixel_format="yuv420p10le"))
    assert [(frame.format.name, frame.color_range) for frame in frames] == 2 * [("yuv420p10le", 1)]


def test_what_it_can_not_hold_is_named(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mkv", metadata={"title": "Alps"}, chapters=True)
    tags = ColourTags(9, 1, 9, 16)
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    info = video_info(tags=tags, source_tags=tags, display_matrix=matrix, colour=Colour(chroma_location="center"))
    with av.open(str(clip)) as source:
        told = list(left_out(source, source.streams.video[0], info, "yuv4mpegpipe"))
    assert told == [
        "stream 1 (audio, aac, fra) can't be carried by yuv4mpegpipe",
        "tag title can't be carried by yuv4mpegpipe",
        "2 chapters can't be carried by yuv4mpegpipe",
        "rotation can't be carried by yuv4mpegpipe",
        "matrix, primaries and transfer characteristics of the colours can't be carried by yuv4mpegpipe",
    ]
    with av.open(str(clip)) as source:
        assert "size, frame rate" in list(left_out(source, source.streams.video[0], video_info(), "rawvideo"))[-1]


def shown(grid: Grid, times: Iterable[Fraction], tick: Fraction = MILLISECOND, lost: int = 0) -> list[int]:
    """The numbers of the frames as they are written; ``lost``: frames that were lost before the last one."""
    written: list[int] = []
    duration = round(1 / (grid.rate * tick))
    infos = [FrameInfo(pts=round(time / tick), time_base=tick, duration=duration) for time in times]
    if lost:
        infos[-1] = FrameInfo(pts=infos[-1].pts, time_base=tick, lost=lost)
    for number, info in enumerate(infos):
        repeats = grid.repeats(info)
        if repeats is not None:
            written += written[-1:] * repeats + [number]
    return written + written[-1:] * grid.repeats_at_end(infos[-1])


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(240)])
def test_a_constant_rate_may_be_rounded_to_milliseconds(rate: Fraction) -> None:
    times = [5 + number / rate for number in range(1000)]
    assert shown(Grid("in.mkv", rate, is_wanted=False), times) == [*range(1000)]


@pytest.mark.parametrize(
    "times",
    [(0, 40, 80, 130), (0, 40, 120), (0, 41, 82, 123, 164, 205, 246, 287, 328, 369, 410, 451, 492, 533, 574, 615, 656)],
    ids=["one late", "one missing", "slower throughout"],
)
def test_a_variable_rate_is_refused(times: tuple[int, ...]) -> None:
    more = [times[-1] + (times[1] - times[0]) * number for number in range(1, 30)]
    with pytest.raises(OutputError, match=r"in\.mkv has a variable frame rate.*Add rate"):
        shown(Grid("in.mkv", Fraction(25), is_wanted=False), [time * MILLISECOND for time in (*times, *more)])


def test_frames_are_repeated_and_dropped_for_the_rate_that_is_wanted() -> None:
    grid = Grid("in.mkv", Fraction(10), is_wanted=True)
    assert shown(grid, [Fraction(time, 1000) for time in (1000, 1100, 1130, 1400, 1500)]) == [0, 1, 1, 1, 3, 4]
    assert (grid.repeated, grid.dropped) == (2, 1)


def test_the_last_frame_is_repeated_for_as_long_as_it_is_shown() -> None:
    grid = Grid("in.mkv", Fraction(10), is_wanted=True)
    assert grid.repeats(FrameInfo(pts=0, time_base=MILLISECOND)) == 0
    assert grid.repeats_at_end(FrameInfo(pts=0, time_base=MILLISECOND, duration=500)) == 4


def test_the_frame_before_a_loss_is_repeated_so_that_all_others_keep_their_times() -> None:
    grid = Grid("in.mkv", Fraction(25), is_wanted=False)
    assert shown(grid, [number * Fraction(1, 25) for number in (0, 1, 4)], lost=2) == [0, 1, 1, 1, 2]
