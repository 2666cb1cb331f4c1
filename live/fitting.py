"""The one frame that a channel keeps for as long as it lives."""

from dataclasses import replace

from av.video.stream import VideoStream

from sr4k.live.timeline import TIME_BASE
from sr4k.stages.decoded import describe
from sr4k.stages.look import Picture
from sr4k.stages.video import VideoInfo


def fitting_info(first: Picture, stream: VideoStream, like: VideoInfo | None) -> VideoInfo:
    """The frame that pictures go into: the one there was before, or this first picture's."""
    if like is not None:
        return like
    return replace(describe(first, stream, (first.look.width, first.look.height), TIME_BASE), display_matrix=None)
