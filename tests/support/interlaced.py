"""Write interlaced clips with motion."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.filter import Graph
from av.video.frame import VideoFrame
from clips import picture
from numpy.typing import NDArray


def moving(instant: int, size: tuple[int, int] = (96, 64)) -> NDArray[np.uint8]:
    """Return a bar that moves right by four pixels per instant on a smooth background, RGB (height, width, 3)."""
    width, height = size
    image = (picture(0, width, height) // 3 + 40).astype(np.uint8)
    left = 4 * instant % width
    image[height // 4 : 3 * height // 4, left : left + 8] = 230
    return image


def woven(number: int, size: tuple[int, int], *, top_first: bool) -> NDArray[np.uint8]:
    """Return two instants interleaved in one picture, by even and odd rows."""
    first, second = moving(2 * number, size), moving(2 * number + 1, size)
    image = first.copy() if top_first else second.copy()
    image[1::2] = (second if top_first else first)[1::2]
    return image


def flagged(image: NDArray[np.uint8], field_order: str) -> VideoFrame:
    """Return a frame that is flagged as ``tff``, ``bff`` or ``prog``."""
    one = VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    graph = Graph()
    source = graph.add_buffer(width=one.width, height=one.height, format=one.format, time_base=Fraction(1))
    graph.link_nodes(source, graph.add("setfield", field_order), graph.add("buffersink")).configure()
    graph.vpush(one)
    return graph.vpull()


def write_interlaced(
    path: Path,
    *,
    codec: str = "mpeg2video",
    frames: int = 8,
    top_first: bool = True,
    pts: list[int] | None = None,
    size: tuple[int, int] = (96, 64),
) -> Path:
    """Write a clip of 25 interlaced frames per second; return its path."""
    with av.open(str(path), "w") as out:
        options = {"x264-params": f"{'tff' if top_first else 'bff'}=1"} if codec == "libx264" else {}
        video = out.add_stream(codec, rate=25, options=options)
        prepare(video, size, interlaced=codec != "libx264")
        for number in range(frames):
            one = flagged(woven(number, size, top_first=top_first), "tff" if top_first else "bff")
            one.pts, one.time_base = (pts[number] if pts else number), Fraction(1, 25)
            out.mux(video.encode(one))
        out.mux(video.encode(None))
    return path


def write_mixed(path: Path, progressive: range, frames: int = 8) -> Path:
    """Write a clip of MPEG-2 key frames, some of them progressive; return its path."""
    size = (96, 64)
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg2video", rate=25)
        prepare(video, size, interlaced=True)
        for number in range(frames):
            still = number in progressive
            encoder = av.CodecContext.create("mpeg2video", "w")
            prepare(encoder, size, interlaced=not still)
            encoder.framerate = Fraction(25)
            image = moving(2 * number) if still else woven(number, size, top_first=True)
            one = flagged(image, "prog" if still else "tff")
            one.pts, one.time_base = number, Fraction(1, 25)
            for packet in encoder.encode(one) + encoder.encode(None):
                packet.stream = video
                out.mux(packet)
    return path


def prepare(video: Any, size: tuple[int, int], *, interlaced: bool) -> None:
    context = getattr(video, "codec_context", video)
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, 25)
    context.bit_rate = 20_000_000
    if interlaced:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me


def combing(plane: NDArray[np.uint8]) -> float:
    """Return the mean amount by which rows differ from both neighbours in the same direction."""
    rows = plane.astype(int)
    up, down = rows[1:-1] - rows[:-2], rows[1:-1] - rows[2:]
    return float(np.where((up > 0) == (down > 0), np.minimum(abs(up), abs(down)), 0).mean())
