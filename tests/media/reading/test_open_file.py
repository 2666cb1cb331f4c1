"""Opening files and reading packets, also of unusual files."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.container import InputContainer
from clips import blank, write_clip

from sr4k.errors import InputError
from sr4k.media.options import ReadSettings
from sr4k.media.reading.open_file import open_input, packets_of, video_stream
from sr4k.media.reading.reader import VideoReader


class Growing:
    """PyAV's behaviour when a stream appeared midway: demuxing raises an IndexError after the last packet."""

    def demux(self) -> Iterator[Any]:
        yield "packet"
        raise IndexError("list index out of range")


def test_a_stream_that_appears_midway_does_no_harm() -> None:
    assert list(packets_of(cast(InputContainer, Growing()))) == ["packet"]


def test_music_with_a_cover_has_no_video(tmp_path: Path) -> None:
    path = tmp_path / "music.mp3"
    with av.open(str(path), "w") as target:
        sound: Any = target.add_stream("libmp3lame", rate=48_000, layout="stereo")
        cover: Any = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        target.mux(cover.encode(blank(16, 16, "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 48_000
        target.mux([*sound.encode(frame), *sound.encode(None)])
    with open_input(path) as music, pytest.raises(InputError, match="it holds audio, a cover picture"):
        video_stream(music, path)


def test_tags_that_are_not_utf_8_can_be_written_out_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "in.mkv", audio=False, metadata={"title": "caf#"})
    clip.write_bytes(clip.read_bytes().replace(b"caf#", b"caf\xe9"))
    with open_input(clip) as container:
        assert container.metadata["title"] == "caf\ufffd"


def test_an_animated_webp_is_read_whole_or_refused_as_such(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.webp"), "w", format="webp") as target:
        video: Any = target.add_stream("libwebp_anim", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            picture = av.VideoFrame.from_ndarray(np.full((72, 64), 60 * number, np.uint8), "yuv420p")
            picture.pts = number
            target.mux(video.encode(picture))
        target.mux(video.encode(None))
    if "webp_anim" in av.formats_available:  # from FFmpeg 9 on
        with VideoReader(ReadSettings(path=tmp_path / "in.webp")) as reader:
            assert sum(info.duration * info.time_base for _, info in reader.pictures()) == Fraction(3, 10)
        return
    with pytest.raises(InputError, match="is an animated WebP, which can't be read: save it as"):
        open_input(tmp_path / "in.webp")
