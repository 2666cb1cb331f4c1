"""What one target gets."""

import time
from pathlib import Path

import av
import numpy as np
import pytest

from sr4k.live.address import parse_target
from sr4k.live.flv import FlvSplitter
from sr4k.live.outlet import LiveTarget
from sr4k.live.settings import HlsForm

pytestmark = pytest.mark.slow


def test_a_target_that_opens_slower_than_the_pipe_to_it_fills_gets_the_stream(tmp_path: Path) -> None:
    target = tmp_path / "a.mkv"
    outlet = LiveTarget(parse_target(str(target)), hls=HlsForm(), wants_key=lambda: None)
    splitter = FlvSplitter()

    class Tap:
        def write(self, data: bytes) -> int:
            outlet.offer(splitter.header, list(splitter.feed(bytes(data))))
            return len(data)

    outlet.start()
    noise = np.random.default_rng(0).integers(0, 256, (270, 320), np.uint8)
    with av.open(Tap(), "w", format="flv", options={"flush_packets": "1"}) as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "0", "tune": "zerolatency", "g": "5"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        for number in range(75):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="yuv420p")
            container.mux(video.encode(frame))
            time.sleep(0.04)
    report = outlet.report()
    outlet.close(5)
    assert (report["state"], report["connects"], report["reason"]) == ("live", 1, None)
    with av.open(str(target)) as recording:
        assert sum(1 for _ in recording.decode(video=0)) > 25
