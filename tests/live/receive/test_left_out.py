from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import pytest
from flv_tracks import add_picture_track, add_sound_track, picture, sound

from sr4k.live.address import parse_source
from sr4k.live.receive.hls_fetcher import Fetcher
from sr4k.live.receive.left_out import left_out
from sr4k.live.receive.open_source import Opening, open_source


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    """Yield an open source of two pictures, three sounds, of which the last is of another language, and subtitles."""
    with av.open(str(tmp_path / "a.mkv"), "w") as target:
        pictures = [add_picture_track(target) for _ in range(2)]
        sounds = [add_sound_track(target) for _ in range(3)]
        sounds[2].metadata["language"] = "ger"
        target.add_mux_stream("subrip", time_base=Fraction(1, 1000))
        for track in pictures:
            target.mux(track.encode(picture(0)))
        for track in sounds:
            for packet in track.encode(sound(0)) + track.encode(None):
                target.mux(packet)
    opened = open_source(parse_source(str(tmp_path / "a.mkv")))
    yield opened
    opened.container.close()


def test_all_tracks_but_one_of_each_kind_are_left_out(opening: Opening) -> None:
    assert left_out(opening) == (
        "stream 1 (video, h264), stream 3 (audio, aac), stream 4 (audio, aac, ger), stream 5 (subtitle, srt)"
    )


def test_other_qualities_of_a_playlist_are_not_left_out(opening: Opening) -> None:
    playlist = replace(opening, fetcher=cast(Fetcher, "a stand-in"))
    assert left_out(playlist) == "stream 4 (audio, aac, ger), stream 5 (subtitle, srt)"


def test_of_a_source_that_is_sent_whole_nothing_is_left_out(opening: Opening) -> None:
    class Container:
        streams = opening.wanted

    assert left_out(replace(opening, container=cast(Any, Container))) == ""
