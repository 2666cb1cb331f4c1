import io

import av
import pytest
from flv_tracks import ENCODERS, add_picture_track, add_sound_track, picture, sound

from sr4k.live.send.flv import FlvSplitter
from sr4k.live.send.flv_muxer import FlvMuxer


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_head_is_that_of_one_muxer_for_both_tracks(encoder: str) -> None:
    file = io.BytesIO()
    file.seekable = lambda: False  # type: ignore[method-assign]
    with av.open(file, "w", format="flv", options={"flvflags": "no_duration_filesize", "flush_packets": "1"}) as both:
        add_picture_track(both, encoder)
        add_sound_track(both)
        both.start_encoding()
        expected = file.getvalue()

    muxer = FlvMuxer()
    add_picture_track(muxer.container("video"), encoder)
    add_sound_track(muxer.container("audio"))
    head = muxer.begin()
    assert muxer.header + b"".join(tag.data for tag in head) == expected
    assert [tag.kind for tag in head] == ["script", "video", "audio"]


def test_no_picture_waits_for_sound_and_no_sound_for_a_picture() -> None:
    muxer = FlvMuxer()
    pictures = add_picture_track(muxer.container("video"))
    sounds = add_sound_track(muxer.container("audio"))
    muxer.begin()
    for at in (1000, 1040, 1080):
        (tag,) = muxer.mux(pictures.encode(picture(at)))
        assert (tag.kind, tag.time, tag.key) == ("video", at, at == 1000)
    sounds.encode(sound(1000))  # the encoder looks one frame ahead
    for count in range(3):
        (tag,) = muxer.mux(sounds.encode(sound(1024 + 24 * count)))
        assert tag.kind == "audio"
        assert tag.time <= 1048, "it is older than the last picture"


def test_without_sound_the_stream_says_so() -> None:
    muxer = FlvMuxer()
    pictures = add_picture_track(muxer.container("video"))
    head = muxer.begin()
    assert muxer.header == b"FLV\x01\x01\x00\x00\x00\x09" + bytes(4)
    assert [tag.kind for tag in head] == ["script", "video"]
    assert b"audio" not in head[0].data
    assert len(muxer.mux(pictures.encode(picture(1000)))) == 1


def test_what_was_muxed_is_a_stream_that_plays() -> None:
    muxer = FlvMuxer()
    pictures = add_picture_track(muxer.container("video"))
    sounds = add_sound_track(muxer.container("audio"))
    tags = muxer.begin()
    for number in range(10):
        tags += muxer.mux(pictures.encode(picture(1000 + 40 * number)))
    for number in range(20):
        tags += muxer.mux(sounds.encode(sound(1000 + number * 1024 // 48)))
    tags += muxer.mux(sounds.encode(None)) + muxer.mux(pictures.encode(None)) + muxer.close()
    data = muxer.header + b"".join(tag.data for tag in tags)
    with av.open(io.BytesIO(data), format="flv") as container:
        frames = list(container.decode(video=0, audio=0))
    assert sum(isinstance(frame, av.VideoFrame) for frame in frames) == 10
    assert sum(isinstance(frame, av.AudioFrame) for frame in frames) >= 20
    splitter = FlvSplitter()
    assert list(splitter.feed(data)) == tags
