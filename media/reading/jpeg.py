"""Tells streams of JPEG files, which may be cut off, from JPEG pictures in videos."""

from av.container import InputContainer
from av.video.stream import VideoStream


def holds_jpeg_files(container: InputContainer, stream: VideoStream) -> bool:
    """Whether each packet of a stream is a JPEG file. In videos the end mark may be missing though nothing is lost."""
    is_files = container.format.name == "image2" or container.format.name.endswith("_pipe")
    return is_files and stream.codec_context.codec.canonical_name == "mjpeg"
