"""The one frame that a channel keeps for as long as it lives."""

from dataclasses import replace

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from sr4k.live.timeline import TIME_BASE
from sr4k.stages.box import before_network
from sr4k.stages.decoded import describe
from sr4k.stages.settings import Box
from sr4k.stages.video import VideoInfo


def fitting_info(first: VideoFrame, stream: VideoStream, like: VideoInfo | None, box: Box | None) -> VideoInfo:
    """The frame that pictures go into: the one there was before, or this first picture's.

    It is smaller than that where the result, which has to fit into ``box``, is smaller than the picture.
    """
    if like is not None:
        return like
    own = describe(first, stream, (first.width, first.height), TIME_BASE)
    return replace(describe(first, stream, before_network(box, own), TIME_BASE), display_matrix=None)
