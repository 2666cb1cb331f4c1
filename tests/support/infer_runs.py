"""Run the infer stage on pictures made by hand."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from infos import video_info

from sr4k.engines.base import joined
from sr4k.media.decoded_picture import padded_format
from sr4k.models.colour import Colour
from sr4k.models.geometry import pad_planes
from sr4k.pipeline import Frame, FrameInfo
from sr4k.pipeline.chain import HeapBuffers
from sr4k.stages.infer import Infer
from sr4k.stages.settings import InferSettings

Picture = tuple[np.ndarray, np.ndarray]
"""Luma (H, W), and chroma (2, h, w)."""


def run(
    pictures: Sequence[Picture],
    settings: InferSettings,
    colour: Colour | None = None,
    qualities: Sequence[int] | None = None,
) -> tuple[list[np.ndarray], list[int], float]:
    """Sub-pixels of every picture, the pts in the order they came, and the share that was computed.

    ``qualities``: of each picture's source; ``None``: it is of the best.
    """
    stage = Infer(settings)
    height, width = pictures[0][0].shape
    buffers = HeapBuffers(stage.open(padded_format(video_info(width=width, height=height, colour=colour or Colour()))))
    made, order = [], []

    def take(frame: Frame) -> None:
        made.append(joined(frame.planes)[5:-5, 5:-5])
        order.append(frame.info.pts)

    try:
        for number, picture in enumerate(pictures):
            quality = qualities[number] if qualities else 0
            info = FrameInfo(pts=number, time_base=Fraction(1, 25), quality=quality)
            for frame in stage.process(Frame(tuple(pad_planes(*picture)), info), buffers):
                take(frame)
        for frame in stage.drain(buffers):
            take(frame)
        report = stage.report()
        assert report is not None
        return made, order, 1.0 if report.computed is None else report.computed
    finally:
        stage.close()
