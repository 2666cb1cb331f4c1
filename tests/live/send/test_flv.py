import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sr4k.live.send.flv import FlvSplitter, Tag

ENCODERS = {
    "libx264": {"tune": "zerolatency"},
    "libx265": {"tune": "zerolatency", "x265-params": "log-level=none"},
    "libsvtav1": {"preset": "12", "svtav1-params": "rtc=1:rc=2:pred-struct=1"},
}
KEYS = (0, 7, 20)


def stream(encoder: str) -> bytes:
    """FLV with key frames at ``KEYS``, and sound."""
    file = io.BytesIO()
    file.seekable = lambda: False  # type: ignore[method-assign]
    with av.open(file, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as target:
        video = target.add_stream(encoder, rate=25, options=ENCODERS[encoder] | {"g": "100", "forced-idr": "1"})
        if encoder == "libsvtav1":
            del video.options["forced-idr"]
        video.width, video.height, video.pix_fmt, video.bit_rate = 160, 96, "yuv420p", 200_000
        audio = target.add_stream("aac", rate=48000, layout="stereo")
        for number in range(30):
            picture = av.VideoFrame.from_ndarray(np.full((144, 160), 5 * number, np.uint8), format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            picture.pict_type = 1 if number in KEYS else 0
            target.mux(video.encode(picture))
            sound = av.AudioFrame.from_ndarray(np.zeros((2, 1920), np.float32), format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48000, 1920 * number, Fraction(1, 48000)
            target.mux(audio.encode(sound))
        target.mux(video.encode(None))
        target.mux(audio.encode(None))
    return file.getvalue()


def tags_of(data: bytes) -> tuple[bytes, list[Tag]]:
    splitter = FlvSplitter()
    tags = list(splitter.feed(data))
    return splitter.header, tags


@pytest.mark.parametrize("encoder", ENCODERS)
def test_tags_tell_what_a_decoder_needs_first_and_where_it_can_begin(encoder: str) -> None:
    data = stream(encoder)
    header, tags = tags_of(data)
    assert header + b"".join(tag.data for tag in tags) == data
    assert header.startswith(b"FLV\x01\x05")
    pictures = [tag for tag in tags if tag.kind == "video" and not tag.config and len(tag.data) > 40]
    assert [round((tag.time - pictures[0].time) / 40) for tag in pictures if tag.key] == list(KEYS)
    assert {tag.kind for tag in tags if tag.config} == {"video", "audio"}
    assert all(tags.index(tag) < tags.index(pictures[0]) for tag in tags if tag.config and tag.kind == "video")


DATA = stream("libx264")


@given(st.lists(st.integers(1, 4000), min_size=1))
def test_however_it_is_cut_the_tags_are_the_same(sizes: list[int]) -> None:
    splitter, found, at = FlvSplitter(), [], 0
    while at < len(DATA):
        size = sizes[at % len(sizes)]
        found += splitter.feed(DATA[at : at + size])
        at += size
    assert (splitter.header, found) == tags_of(DATA)


def test_times_have_thirty_two_bits() -> None:
    body = bytes([0x17, 1, 0, 0, 0])
    data = bytes([9]) + len(body).to_bytes(3, "big") + bytes([0x34, 0x56, 0x78, 0x12]) + bytes(3) + body
    _, (tag,) = tags_of(b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4) + data + (len(data)).to_bytes(4, "big"))
    assert tag.time == 0x12345678
    assert tag.key
