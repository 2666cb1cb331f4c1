import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import MakeClip
from needed import program

from sr4k.media.headers import chroma_location
from sr4k.models.colour import ChromaLocation

_SITES = {"left": b"420mpeg2", "center": b"420jpeg", "topleft": b"420paldv"}


def location(path: Path) -> ChromaLocation | None:
    with av.open(str(path)) as container:
        return chroma_location(container.streams.video[0])


@pytest.mark.parametrize("sited", ["left", "center", "topleft"])
def test_a_container_may_store_the_chroma_location(sited: ChromaLocation, tmp_path: Path) -> None:
    """Chroma locations by their names in YUV4MPEG2, which are written to Matroska as well."""
    raw = tmp_path / "in.y4m"
    raw.write_bytes(b"YUV4MPEG2 W32 H32 F25:1 Ip A1:1 C" + _SITES[sited] + b"\n" + (b"FRAME\n" + bytes(32 * 48)) * 2)
    assert location(raw) == sited
    with av.open(str(raw)) as source, av.open(str(tmp_path / "out.mkv"), "w", options={"allow_raw_vfw": "1"}) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    assert location(tmp_path / "out.mkv") == sited


def test_a_codec_header_may_have_the_chroma_location(make_clip: MakeClip) -> None:
    options = {"x264-params": "chromaloc=2", "preset": "ultrafast"}
    assert location(make_clip("in.mkv", frames=1, audio=False, options=options)) == "topleft"


@pytest.mark.parametrize(("codec", "suffix"), [("libvpx-vp9", ".webm"), ("ffv1", ".mkv")])
def test_an_unspecified_chroma_location_is_not_known(codec: str, suffix: str, make_clip: MakeClip) -> None:
    assert location(make_clip(f"in{suffix}", frames=1, audio=False, codec=codec, options={})) is None


def test_each_stream_has_its_own(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as target:
        streams = []
        for site in (1, 2):
            video = target.add_stream("libx264", rate=25, options={"x264-params": f"chromaloc={site}"})
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            streams.append(video)
        for video in streams:
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="yuv420p")
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            target.mux([*video.encode(picture), *video.encode(None)])
    with av.open(str(path)) as container:
        assert [chroma_location(stream) for stream in container.streams.video] == ["center", "topleft"]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_the_codec_takes_precedence_over_its_container(codec: str, make_clip: MakeClip, tmp_path: Path) -> None:
    key = {"libx264": "x264-params", "libx265": "x265-params"}[codec]
    options = {key: "chromaloc=2", "preset": "ultrafast"}
    center = tmp_path / "center.mkv"
    command = [
        "-loglevel",
        "error",
        "-i",
        str(make_clip("in.mkv", frames=3, audio=False, codec=codec, options=options)),
    ]
    subprocess.run(
        [program("ffmpeg"), *command, "-c", "copy", "-chroma_sample_location", "center", str(center)], check=True
    )
    assert location(center) == "topleft"


_ROUNDS = """
import random, sys
import av
from sr4k.media.headers import chroma_location, margins

chance = random.Random(1)
for _ in range(60):
    container = av.open(sys.argv[1])
    video = container.streams.video[0]
    video.thread_type, video.thread_count = "FRAME", 8
    for number, packet in enumerate(container.demux(video)):
        data = bytearray(bytes(packet))
        for _ in range(40 if number and data else 0):
            data[chance.randrange(60, len(data))] ^= chance.randrange(1, 256)
        if number == 12 or not data:
            break
        damaged = av.Packet(len(data))
        damaged.update(bytes(data))
        damaged.stream, damaged.pts, damaged.dts = video, packet.pts, packet.dts
        try:
            video.decode(damaged)
        except av.error.FFmpegError:
            pass
    chroma_location(video), margins(video)
    del video
    container.close()
"""


@pytest.mark.slow(seconds=1)
def test_a_decoder_whose_threads_complain_of_damage_is_freed_whenever_its_headers_are_read(tmp_path: Path) -> None:
    noisy, chance = tmp_path / "noisy.mp4", np.random.default_rng(1)
    with av.open(str(noisy), "w") as target:
        video = target.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "5"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        for _ in range(13):
            noise = chance.integers(0, 256, (360, 320), np.uint8)
            target.mux(video.encode(av.VideoFrame.from_ndarray(noise, format="yuv420p")))
        target.mux(video.encode(None))
    subprocess.run([sys.executable, "-c", _ROUNDS, str(noisy)], check=True, timeout=240)
