"""Scales and converts pictures with libswscale, with explicit values for all that it would otherwise guess."""

from fractions import Fraction
from typing import Literal

from av.filter import Graph
from av.video.frame import VideoFrame

from sr4k.media.bit_depth import reduced
from sr4k.models.colour import Colour

_FINE = "+accurate_rnd"
_FINE_RGB = "+full_chroma_int+full_chroma_inp"
"""Without these flags, libswscale uses one chroma sample for two pixels, wherever it is sited."""


class Scaler:
    """Scales and converts pictures; keeps its filter graph as long as pictures of one kind come.

    Unlike ``VideoFrame.reformat`` it passes the chroma location on: libswscale treats an unspecified one as center,
    while most video has left, and would shift the colour.

    Args:
        kernel: the interpolation filter.
    """

    def __init__(self, kernel: Literal["lanczos", "bicubic"] = "lanczos") -> None:
        self._kernel = kernel
        self._made: tuple[object, ...] = ()

    def __call__(
        self, picture: VideoFrame, size: tuple[int, int], pixel_format: str, source: Colour, target: Colour
    ) -> VideoFrame:
        """Return the picture at ``size``; without a copy if there is nothing to change.

        Args:
            picture: in host memory.
            size: (width, height) of the result.
            pixel_format: libav's name of the result's pixel format.
            source: how the picture's planes are read; for RGB, only the range matters.
            target: how the result's planes are to be read.
        """
        picture = reduced(picture, pixel_format, full_range=source.full_range)
        name = picture.format.name
        if (name, picture.width, picture.height) == (pixel_format, *size) and source == target:
            return picture
        kind = (picture.width, picture.height, name, size, pixel_format, source, target)
        if kind != self._made:
            self._graph, self._made = _graph(self._kernel, picture, size, pixel_format, source, target), kind
        self._graph.vpush(picture)
        return self._graph.vpull()


def _graph(
    kernel: str, picture: VideoFrame, size: tuple[int, int], pixel_format: str, source: Colour, target: Colour
) -> Graph:
    has_rgb = picture.format.is_rgb or picture.format.has_palette or pixel_format.startswith(("rgb", "bgr", "gbr"))
    options = {
        "w": size[0],
        "h": size[1],
        "flags": kernel + _FINE + (_FINE_RGB if has_rgb else ""),
        "in_color_matrix": source.matrix,
        "out_color_matrix": target.matrix,
        "in_range": "full" if source.full_range else "limited",
        "out_range": "full" if target.full_range else "limited",
        "in_chroma_loc": source.chroma_location,
        "out_chroma_loc": target.chroma_location,
    }
    graph = Graph()
    buffer = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base or Fraction(1, 25),
    )
    scale = graph.add("scale", ":".join(f"{name}={value}" for name, value in options.items()))
    graph.link_nodes(buffer, scale, graph.add("format", f"pix_fmts={pixel_format}"), graph.add("buffersink"))
    graph.configure()
    return graph
