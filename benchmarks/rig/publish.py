"""Publish numbered pictures in real time, with a flash and a beep every second."""

import json
import sys
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame

from rig import counter
from rig.process import RigProcess, emit
from sr4k.media.writing.encoder import share_cpus

RATE = 48_000
_BLOCK = 1024
BEEP = 0.02
"""Duration of a beep, in seconds."""

_ENCODERS = {
    "h264": ("libx264", {"tune": "zerolatency", "preset": "ultrafast", "forced-idr": "1"}),
    "hevc": ("libx265", {"tune": "zerolatency", "preset": "ultrafast", "x265-params": "log-level=none"}),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "rtc=1:pred-struct=1"}),
}


class Publisher(RigProcess):
    """Publishes for ``seconds``, or until it is killed. It reports ``{"n": number, "at": monotonic time}`` per picture.

    Args:
        url: Target: an rtmp or udp address, or the path of a file.
        size: Width and height in pixels.
        rate: Pictures per second.
        seconds: Duration.
        gop: Seconds from key frame to key frame.
        start: First timestamp, in seconds.
        audio: Whether there is audio.
        video_after: Seconds until the first picture.
        codec: h264, hevc or av1.
        jumps: Pairs (picture, seconds): from that picture on, timestamps are later by that much.
        stuck: Pairs (picture, count): that many pictures, from that one on, repeat its timestamp plus 1 ms each.
        first: Number of the first picture.
    """

    def __init__(
        self,
        url: str,
        *,
        size: tuple[int, int] = (320, 180),
        rate: int = 25,
        seconds: float = 3600,
        gop: float = 1.0,
        start: float = 0.0,
        audio: bool = True,
        video_after: float = 0.0,
        codec: str = "h264",
        jumps: tuple[tuple[int, float], ...] = (),
        stuck: tuple[tuple[int, int], ...] = (),
        first: int = 0,
    ) -> None:
        orders = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        super().__init__("rig.publish", **orders)


def _main(orders: dict[str, Any]) -> None:
    with _opened(orders["url"]) as target:
        _Publishing(target, orders).run()


def _opened(url: str) -> OutputContainer:
    if url.startswith("rtmp"):
        return av.open(
            f"[f=flv:flvflags=no_duration_filesize:rw_timeout=5000000:tcp_nodelay=1]{url}", "w", format="tee"
        )
    if url.startswith("udp"):
        return av.open(f"{url}?pkt_size=1316", "w", format="mpegts")
    return av.open(url, "w")


class _Publishing:
    def __init__(self, target: OutputContainer, orders: dict[str, Any]) -> None:
        self._target, self._o = target, orders
        encoder, options = _ENCODERS[orders["codec"]]
        gop = max(1, round(orders["gop"] * orders["rate"]))
        self._video: Any = target.add_stream(encoder, rate=orders["rate"], options=options | {"g": str(gop)})
        self._video.width, self._video.height = orders["size"]
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.time_base = Fraction(1, 1000)
        self._video.codec_context.flags |= Flags.global_header
        self._audio: Any = target.add_stream("aac", rate=RATE, layout="stereo") if orders["audio"] else None
        if self._audio is not None:
            self._audio.codec_context.flags |= Flags.global_header

    def run(self) -> None:
        o = self._o
        width, height = o["size"]
        noise = np.random.default_rng(0).integers(60, 180, (height, 2 * width), np.uint8)
        began, spoken = time.monotonic(), 0
        for number in range(round(o["seconds"] * o["rate"])):
            time.sleep(max(0.0, began + number / o["rate"] - time.monotonic()))
            shift = round(1000 * o["start"]) + sum(round(1000 * by) for at, by in o["jumps"] if number >= at)
            while self._audio is not None and spoken * _BLOCK < (number + 1) * RATE // o["rate"]:
                self._speak(spoken, shift)
                spoken += 1
            if number >= o["video_after"] * o["rate"]:
                emit(n=o["first"] + number, at=time.monotonic())
                self._show(number, noise[:, number % width :][:, :width], shift)

    def _show(self, number: int, background: Any, shift: int) -> None:
        o = self._o
        picture = VideoFrame(*o["size"], "yuv420p")
        y, u, v = (np.frombuffer(memoryview(p), np.uint8).reshape(-1, p.line_size) for p in picture.planes)
        luma = y[:, : o["size"][0]]
        luma[:] = background
        u[:], v[:] = 128, 128
        if number % o["rate"] == 0:
            luma[o["size"][1] // 2 :] = 235
        counter.draw(luma, (o["first"] + number) % (1 << counter.BITS))
        stuck = next(((at, number - at) for at, count in o["stuck"] if at <= number < at + count), None)
        at, more = (number, 0) if stuck is None else stuck
        picture.pts, picture.time_base = 1000 * at // o["rate"] + more + shift, Fraction(1, 1000)
        picture.pict_type = PictureType.NONE
        self._target.mux(self._video.encode(picture))
        if o["codec"] == "av1":
            share_cpus()

    def _speak(self, block: int, shift: int) -> None:
        first = block * _BLOCK
        at = (first + np.arange(_BLOCK)) / RATE
        wave = np.where(at % 1 < BEEP, 0.5 * np.sin(2 * np.pi * 1000 * at), 0).astype(np.float32)
        frame = AudioFrame.from_ndarray(np.tile(wave, (2, 1)), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = first + shift * RATE // 1000
        self._target.mux(self._audio.encode(frame))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
