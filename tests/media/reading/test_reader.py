"""Reading a video without a graph."""

import errno
import logging
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import av
import pytest
from clips import MakeClip

from sr4k.errors import InputError
from sr4k.media.options import ReadSettings, TimeSpan
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reports import LossReport


def is_open(path: Path) -> bool:
    links = Path("/proc/self/fd").iterdir()
    return any(link.is_symlink() and link.exists() and link.samefile(path) for link in links)


def test_a_reader_describes_the_video_first_and_reports_its_reading_afterwards(make_clip: MakeClip) -> None:
    path = make_clip("in.mp4", frames=6)
    with VideoReader(ReadSettings(path=path)) as reader:
        assert is_open(path)
        assert (reader.info.width, reader.info.height, reader.first.look.pixel_format) == (64, 48, "yuv420p")
        assert reader.report().source.frames == 0
        times = [info.pts * info.time_base for _, info in reader.pictures()]
        told = reader.report()
    assert times == [Fraction(number, 25) for number in range(6)]
    assert (told.source.frames, told.source.expected_frames, told.losses, told.left_out) == (6, 6, LossReport(), ())
    assert not is_open(path)


def test_a_reader_that_finds_no_picture_leaves_the_file_closed(make_clip: MakeClip) -> None:
    path = make_clip("in.mp4", frames=6)
    with pytest.raises(InputError, match="it ends before that part"):
        VideoReader(ReadSettings(path=path, part=TimeSpan(start=Fraction(9), seconds=Fraction(1))))
    assert not is_open(path)


def test_pictures_share_one_look_and_fit_without_a_copy(make_clip: MakeClip, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with VideoReader(ReadSettings(path=make_clip("in.mp4", frames=3, audio=False))) as reader:
        for picture, _ in reader.pictures():
            assert picture.look == reader.first.look
            assert not picture.is_other
            assert reader.fit(picture).frame is picture.frame
    assert not caplog.records


def test_threads_that_the_system_refuses_are_no_damage_of_the_source(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VideoReader(ReadSettings(path=make_clip("a.mp4", frames=40, audio=False))) as reader:
        refused = Mock(side_effect=av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
        monkeypatch.setattr("sr4k.media.reading.video_file.plain_packet", refused)
        with pytest.raises(BlockingIOError):
            list(reader.pictures())
