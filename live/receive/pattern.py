"""A test source without a network: a window moving over the pattern of `sr4k sample`, a frame counter and a tone."""

import math
import sys
import time

import numpy as np
from av.video.frame import VideoFrame

from sr4k.common.opencv import cv2
from sr4k.live.address import Address, parse_pattern
from sr4k.live.audio_blocks import SAMPLE_RATE
from sr4k.live.receive.link import Ended, PullerEnd
from sr4k.live.sandbox import Allowance
from sr4k.live.timeline import TICKS, TIME_BASE
from sr4k.media.decoded_picture import padded_format
from sr4k.media.planes import inside, rows_of
from sr4k.media.sample_pattern import draw, tone
from sr4k.media.video import BT601, BT709, VideoInfo, untagged_info
from sr4k.pipeline import FrameInfo
from sr4k.pipeline.frame import Plane


class Pattern:
    """Test pattern in place of a reader: ``pattern://1280x720@30``, with ``?seconds=10`` to limit its length.

    Args:
        source: address of the pattern.
        link: where frames and sound are sent.
        like: description of the frames to send; ``None``: the pattern's own.

    Raises:
        AddressError: the address isn't a valid pattern.
    """

    def __init__(self, source: Address, link: PullerEnd, like: VideoInfo | None) -> None:
        self._size, self._rate, self._seconds = parse_pattern(source)
        self._link = link
        self._info = like or untagged_info(self._size, self._rate, TIME_BASE)
        self._canvas = _canvas(self._info)

    def run(self, allowance: Allowance) -> Ended:
        """Send frames and sound in real time, and return at the end of the pattern, if it has one."""
        self._link.open(padded_format(self._info))
        began, number, sent = time.monotonic(), 0, 0
        pictures = sys.maxsize if self._seconds is None else math.ceil(self._seconds * self._rate)
        while number < pictures:
            time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
            self._draw(number)
            self._link.tally.pictures += 1
            self._link.report()
            due = round((number + 1) * SAMPLE_RATE / self._rate)
            wave = (tone(sent, due - sent) * 32767).astype(np.int16)
            self._link.say(sent * TICKS // SAMPLE_RATE, np.stack((wave, wave), axis=1))
            now_due = int((time.monotonic() - began) * self._rate)
            # A machine that is too slow skips pictures, but not the last one, with which the rest of the sound comes.
            sent, number = due, max(number + 1, min(now_due, pictures - 1))
            allowance.renew()
        return Ended("the pattern ended", final=True)

    def _draw(self, number: int) -> None:
        now, pts = time.monotonic(), round(number * TICKS / self._rate)
        frame = self._link.take(FrameInfo(pts=pts, time_base=TIME_BASE, born=now))
        if frame is None:
            return
        luma, chroma = frame.planes
        t = number / self._rate
        y, x = (
            round(side / 4 * (1 + math.sin(w * t))) for side, w in ((self._info.height, 1.1), (self._info.width, 0.7))
        )
        targets = inside(luma, chroma, (self._info.width, self._info.height))
        for target, plane, step in zip(targets, self._canvas, (1, 2, 2), strict=True):
            rows, columns = target.shape
            np.copyto(target, plane[2 * y // step :, 2 * x // step :][:rows, :columns])
        scale = self._info.height / 360
        where = (round(12 * scale), round(34 * scale))
        cv2.putText(targets[0], f"{number:06d}", where, cv2.FONT_HERSHEY_SIMPLEX, scale, 235, max(1, round(2 * scale)))
        self._link.show(frame)


def _canvas(info: VideoInfo) -> tuple[Plane, Plane, Plane]:
    """Return the Y, U and V planes of the pattern at twice the frame size."""
    drawn = VideoFrame.from_ndarray(draw(0, (2 * info.width, 2 * info.height)), format="bgr24")
    space = BT709 if info.colour.matrix == "bt709" else BT601
    y, u, v = (rows_of(plane) for plane in drawn.reformat(format="yuv420p", dst_colorspace=space).planes)
    return y, u, v
