"""The one frame that a channel keeps for as long as it lives."""

from dataclasses import replace

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.live.timeline import TIME_BASE
from sr4k.stages.decoded import describe
from sr4k.stages.video import VideoInfo


def fitting_info(first: VideoFrame, stream: VideoStream, like: VideoInfo | None) -> VideoInfo:
    """The frame that pictures go into: the one there was before, or this first picture's."""
    if like is not None:
        return like
    return replace(describe(first, stream, (first.width, first.height), TIME_BASE), display_matrix=None)
