"""Convert: to the pixel format of the sink."""

from collections.abc import Iterator

import numpy as np

from sr4k.models.colour import downsample_chroma, yuv_from_rgb
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.stages.picture import split_420
from sr4k.stages.settings import ConvertSettings
from sr4k.stages.video import VideoInfo


class Convert(Transform):
    """RGB float (3, H, W) to one 4:2:0 block (3H/2, W), or if wanted to 8-bit RGB (H, W, 3).

    What is 4:2:0 already passes untouched.
    """

    name = "convert"

    def __init__(self, settings: ConvertSettings | None = None) -> None:
        self._stays_rgb = settings is not None and settings.rgb

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return not self._rgb

    def open(self, source: Format) -> Format:
        info: VideoInfo = source.about
        self._rgb = len(source.planes[0].shape) == 3
        self._colour = info.colour
        if not self._rgb:
            return source
        if self._stays_rgb:
            return Format((PlaneSpec((info.height, info.width, 3)),), about=info)
        matrix, offset = yuv_from_rgb(info.colour)
        self._matrix, self._offset = matrix.astype(np.float32), offset.astype(np.float32)
        return Format((PlaneSpec((info.height * 3 // 2, info.width), info.colour.dtype),), about=info)

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if not self._rgb:
            yield frame
            return
        out = buffers.take(frame.info)
        rgb = frame.planes[0]
        if self._stays_rgb:
            np.copyto(out.planes[0], np.clip(np.rint(np.moveaxis(rgb, 0, 2)), 0, 255), casting="unsafe")
            frame.release()
            yield out
            return
        yuv = (self._matrix @ rgb.reshape(3, -1)).reshape(rgb.shape) + self._offset[:, None, None]
        chroma = downsample_chroma(yuv[1:], self._colour.chroma_location)
        for plane, values in zip(split_420(out.planes[0]), (yuv[0], *chroma), strict=True):
            np.copyto(plane, np.clip(np.rint(values), 0, self._colour.peak), casting="unsafe")
        frame.release()
        yield out
