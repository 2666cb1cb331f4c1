"""Decoding that resumes in the middle yields exactly the remaining pictures, for all kinds of streams."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
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


def test_a_damaged_key_frame_is_decoded_with_the_pictures_before_it(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("a.mkv", frames=72, size=(160, 90), options={"crf": "10", "g": "20", "sc_threshold": "0"})
    damaged = tmp_path / "damaged.mkv"
    with av.open(str(clip)) as given, av.open(str(damaged), "w") as made:
        copied = made.add_stream_from_template(given.streams.video[0])
        keys = 0
        for packet in given.demux(video=0):
            if not packet.size:
                continue
            keys += packet.is_keyframe
            if packet.is_keyframe and keys == 3:
                data = bytes(packet)
                half = av.Packet(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
                half.pts, half.dts, half.duration = packet.pts, packet.dts, packet.duration
                half.time_base, half.is_keyframe = packet.time_base, True
                packet = half
            packet.stream = copied
            made.mux(packet)
    settings = ReadSettings(path=damaged)
    whole = decoded(settings)
    rest = decoded(settings, after=whole[49][0])  # of the third group of pictures, which begins at 40
    assert [pts for pts, _ in rest] == [pts for pts, _ in whole[50:]]
    assert all(np.array_equal(ours, theirs) for (_, ours), (_, theirs) in zip(rest, whole[50:], strict=True))


def test_parts_of_a_video_count_each_interlaced_picture_once(make_clip: MakeClip) -> None:
    settings = ReadSettings(path=make_clip("a.mkv", frames=50, options={**FIELDS, "g": "20"}))
    with VideoReader(settings) as reader:
        pts = [info.pts for _, info in reader.pictures()]
        whole = reader.report().source.interlaced
    found = []
    for after, until in ((None, pts[25]), (pts[24], pts[35]), (pts[34], None)):
        with VideoReader(settings) as reader:
            if after is not None:
                reader.resume_after(after)
            assert [*reader.pictures(until)]
            found.append(reader.report().source.interlaced)
    assert whole == 50 and found == [25, 10, 15]
