"""Decoding that resumes in the middle yields exactly the remaining pictures, for all kinds of streams."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clips import MakeClip
from numpy.typing import NDArray

from sr4k.media.options import ReadSettings
from sr4k.media.reading.reader import VideoReader

pytestmark = pytest.mark.slow

TICKS = {"time_base": Fraction(1, 25), "pts": list(range(72))}
PYRAMID = {"max_b_frames": 3, "gop_size": 24}
MPEG2 = {"codec": "mpeg2video", "context": {"max_b_frames": 2, "gop_size": 12}, "options": {}, **TICKS}
OPEN = {"context": PYRAMID, "options": {"x264-params": "open-gop=1:b-pyramid=normal"}}
X265 = {"preset": "medium", "x265-params": "open-gop=1:keyint=24:bframes=3:log-level=none"}
VP9 = {"deadline": "good", "cpu-used": "4", "auto-alt-ref": "1", "lag-in-frames": "16", "g": "24"}
FIELDS = {"flags": "+ilme+ildct", "x264-params": "tff=1"}


def decoded(settings: ReadSettings, after: int | None = None) -> list[tuple[int, NDArray[Any]]]:
    with VideoReader(settings) as reader:
        if after is not None:
            reader.resume_after(after)
        return [
            (info.pts, reader.fit(picture).frame.to_ndarray(format="yuv420p")) for picture, info in reader.pictures()
        ]


@pytest.mark.parametrize(
    ("name", "wishes", "deinterlace"),
    [
        ("open.ts", OPEN, "auto"),
        ("open.mkv", OPEN, "auto"),
        ("refresh.mp4", {"options": {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=24"}}, "auto"),
        ("hevc.mp4", {"codec": "libx265", "options": X265}, "auto"),
        ("mpeg2.ts", MPEG2, "auto"),
        ("program.mpg", {**MPEG2, "audio": False}, "auto"),  # few of its pictures have a pts
        ("packed.avi", {**MPEG2, "codec": "mpeg4", "audio": False}, "auto"),
        ("hidden.webm", {"codec": "libvpx-vp9", "options": VP9, "audio": False}, "auto"),
        ("raw.h264", {"context": PYRAMID, "audio": False}, "auto"),  # none has a pts
        ("before.mp4", {"pts": [512 * (n - 5) for n in range(72)], "context": PYRAMID}, "auto"),
        ("fields.ts", {"context": PYRAMID, "options": FIELDS}, "double"),
    ],
)
def test_it_goes_on_with_the_next_picture(
    name: str, wishes: dict[str, Any], deinterlace: Any, make_clip: MakeClip
) -> None:
    path: Path = make_clip(name, frames=72, **wishes)
    settings = ReadSettings(path=path, deinterlace=deinterlace)
    whole = decoded(settings)
    for done in (1, 23, 24, 30, 47, 50, len(whole)):
        rest = decoded(settings, after=whole[done - 1][0])
        assert [pts for pts, _ in rest] == [pts for pts, _ in whole[done:]], done
        assert all((a == b).all() for (_, a), (_, b) in zip(rest, whole[done:], strict=True)), done
