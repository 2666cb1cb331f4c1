"""Reading packets, whatever the file is like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av.container import InputContainer

from sr4k.errors import InputError
from sr4k.stages.source import open_input, packets_of, video_stream


class Growing:
    """What PyAV's demultiplexing does when a stream has turned up on the way: it stumbles after the last packet."""

    def demux(self) -> Iterator[Any]:
        yield "packet"
        raise IndexError("list index out of range")


def test_a_stream_that_turns_up_on_the_way_does_no_harm() -> None:
    assert list(packets_of(cast(InputContainer, Growing()))) == ["packet"]


def test_music_with_a_cover_is_told_to_have_no_video(tmp_path: Path) -> None:
    path = tmp_path / "music.mp3"
    with av.open(str(path), "w") as target:
        sound: Any = target.add_stream("libmp3lame", rate=48_000, layout="stereo")
        cover: Any = target.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        target.mux(cover.encode(av.VideoFrame(16, 16, "rgb24")))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), format="s16", layout="stereo")
        frame.sample_rate = 48_000
        target.mux([*sound.encode(frame), *sound.encode(None)])
    with open_input(path) as music, pytest.raises(InputError, match="it holds audio, a cover picture"):
        video_stream(music, path)
