"""The stage of the second pass: runs the network once more, for results that are more than twice their source."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
from av.video.frame import VideoFrame

from sr4k.media.decoded_picture import copy_inside, padded_format
from sr4k.media.look import Layout, Planes
from sr4k.media.placement import second_input
from sr4k.media.planes import PLANAR, PixelFormat, as_picture, rows_of, split_420
from sr4k.media.reports import SECOND_PASS, EngineReport
from sr4k.media.rgb import DEEP_UNIT, scaled_channels
from sr4k.media.scaling import Scaler
from sr4k.media.video import info_of
from sr4k.models.geometry import SCALE
from sr4k.pipeline import Buffers, Format, Frame, PlaneSpec, Transform
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.frame import Plane
from sr4k.stages.infer import Infer
from sr4k.stages.preprocess import Preprocess
from sr4k.stages.reconstruct import Reconstruct
from sr4k.stages.settings import PreprocessSettings, ReconstructSettings, SecondPassSettings

log = logging.getLogger(__name__)

_RGB_BITS: dict[str, Literal[8, 16]] = {"uint8": 8, "uint16": 16}
"""Depth of packed RGB by its dtype; other RGB is not rounded."""


class SecondPass(Transform):
    """Shrinks what the first pass has made to `second_input`, and enlarges that by the network again.

    Takes and emits what `sr4k.stages.reconstruct.Reconstruct` emits. Where one pass is enough, frames pass unchanged.
    YUV frames that there is no time to put through the network once more are enlarged with a Lanczos filter.

    `open` raises `EngineError` if no engine starts, and `OptionError` if the result would be too large.
    """

    name = SECOND_PASS

    def __init__(self, settings: SecondPassSettings) -> None:
        self._settings = settings
        self._shrinker, self._enlarger = Scaler("bicubic"), Scaler()
        self._preprocess = Preprocess(PreprocessSettings(pixels=settings.infer.pixels))
        self._infer = Infer(settings.infer)
        self._is_needed = False

    @property
    def in_place(self) -> bool:  # type: ignore[override]
        return self.idle

    @property
    def idle(self) -> bool:  # type: ignore[override]
        return not self._is_needed

    def open(self, source: Format) -> Format:
        made = info_of(source)
        size = second_input(self._settings.size, made)
        if size is None:
            return source
        self._is_needed = True
        self._rgb = len(source.planes[0].shape) == 3
        self._reconstruct = Reconstruct(ReconstructSettings(rgb_bits=_RGB_BITS.get(source.planes[0].dtype)))
        self._given: PixelFormat = made.pixel_format
        is_deep_rgb = source.planes[0].dtype == "uint16" and self._rgb
        self._info = replace(
            made,
            width=size[0],
            height=size[1],
            pixel_format=PLANAR.get(made.pixel_format, made.pixel_format),
            colour=replace(made.colour, sampling="420", bits=16 if is_deep_rgb else made.colour.bits),
        )
        packed = PlaneSpec((size[1], size[0], 3), "uint16")
        form = Format((packed,), about=self._info) if self._rgb else padded_format(self._info)
        self._inputs = HeapBuffers(form)
        preprocessed = self._preprocess.open(form)
        self._preprocessed = HeapBuffers(preprocessed)
        out = self._reconstruct.open(self._infer.open(preprocessed))
        _tell(made.source_size or size, size)
        return out

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        if not self._is_needed:
            yield frame
        elif (frame.info.plain or frame.info.once) and not self._rgb:
            yield from self.drain(buffers)
            yield self._enlarged(frame, buffers)
        else:
            for padded in self._preprocess.process(self._input(frame), self._preprocessed):
                yield from self._shuffled(self._infer.process(padded, buffers), buffers)

    def drain(self, buffers: Buffers) -> Iterator[Frame]:
        yield from self._shuffled(self._infer.drain(buffers), buffers)

    def close(self) -> None:
        self._infer.close()

    def report(self) -> EngineReport | None:
        return self._infer.report()

    def _shuffled(self, frames: Iterator[Frame], buffers: Buffers) -> Iterator[Frame]:
        for cells in frames:
            yield from self._reconstruct.process(cells, buffers)

    def _input(self, frame: Frame) -> Frame:
        """Return a frame at the size of the second input, in the middle of padded planes."""
        out, size = self._inputs.take(frame.info), (self._info.width, self._info.height)
        if self._rgb:
            for channel, plane in enumerate(scaled_channels(_deep(frame.planes[0]), size, self._shrinker)):
                np.copyto(out.planes[0][..., channel], plane[: size[1], : size[0]])
        else:
            layout = Layout(10 if self._info.colour.bits > 8 else 8, "420")
            picture = Planes(self._scaled(self._shrinker, frame.planes[0], size), layout)
            copy_inside(picture, out.planes, self._info.colour)
        frame.release()
        return out

    def _enlarged(self, frame: Frame, buffers: Buffers) -> Frame:
        """Return the frame at the size of the second pass's result, without the network."""
        out = buffers.take(frame.info)
        picture = self._scaled(self._enlarger, frame.planes[0], (SCALE * self._info.width, SCALE * self._info.height))
        for plane, target in zip(picture.planes, split_420(out.planes[0]), strict=True):
            np.copyto(target, rows_of(plane, str(target.dtype))[: target.shape[0], : target.shape[1]])
        frame.release()
        return out

    def _scaled(self, scaler: Scaler, block: Plane, size: tuple[int, int]) -> VideoFrame:
        colour = self._info.colour
        return scaler(as_picture(block, self._given), size, self._info.pixel_format, colour, colour)


def _deep(rgb: Plane) -> Plane:
    """Return packed RGB, or float RGB (3, H, W), as packed RGB of 16 bits, which libswscale scales with less loss."""
    if rgb.dtype == np.float32:
        rgb = np.rint(np.clip(np.moveaxis(rgb, 0, 2), 0, 255) * DEEP_UNIT)
    elif rgb.dtype == np.uint8:
        return rgb.astype(np.uint16) * np.uint16(DEEP_UNIT)
    return rgb.astype(np.uint16, copy=False)


@cache
def _tell(source: tuple[int, int], size: tuple[int, int]) -> None:
    """Log what the second pass costs, once for each size."""
    log.warning(
        "The result is much larger than twice its source, so every picture goes through the network twice: at %dx%d "
        "and at %dx%d, which takes about %.1f times as long as one pass.",
        *source,
        *size,
        1 + size[0] * size[1] / (source[0] * source[1]),
    )
