"""The one frame that a channel keeps for as long as it lives."""

from dataclasses import replace

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.live.timeline import TIME_BASE
from sr4k.stages.decoded import describe
from sr4k.stages.video import VideoInfo


def fitting_info(
    first: VideoFrame, stream: VideoStream, like: VideoInfo | None, size: tuple[int, int] | None
) -> VideoInfo:
    """The frame that pictures go into: the one there was before, or what this first picture asks for.

    With a ``size`` (width, height) it is that one, of square pixels.
    """
    if like is not None:
        return like
    own = describe(first, stream, (first.width, first.height), TIME_BASE)
    if size is None:
        return replace(own, display_matrix=None)
    return replace(own, width=size[0], height=size[1], sample_aspect_ratio=None, display_matrix=None)
