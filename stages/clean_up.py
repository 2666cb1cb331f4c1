"""The clean-up stage: puts frames through networks that keep their size, before the one that enlarges them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sr4k.media.decoded_picture import padded_format
from sr4k.media.planes import inside, split_420
from sr4k.media.reports import CLEAN_UP, CleanUpReport
from sr4k.media.rgb import depth
from sr4k.media.video import VideoInfo, info_of
from sr4k.models.architecture import Pixels
from sr4k.models.geometry import is_subsampled
from sr4k.pipeline import Buffers, Format, Frame, Transform
from sr4k.pipeline.chain import HeapBuffers
from sr4k.pipeline.frame import Plane
from sr4k.stages.infer import Infer
from sr4k.stages.preprocess import Preprocess
from sr4k.stages.reconstruct import Reconstruct
from sr4k.stages.settings import CleanUpSettings, InferSettings, PreprocessSettings, ReconstructSettings


class CleanUp(Transform):
    """Takes and emits what `sr4k.stages.preprocess.Preprocess` takes: padded planes of 4:2:0, or packed RGB.

    Planes of 4:4:4 become 4:2:0, and gray (H, W, 1) becomes RGB. Frames that there is no time for pass unchanged.

    `open` raises `EngineError` if no engine starts.
    """

    name = CLEAN_UP
    in_place = False

    def __init__(self, settings: CleanUpSettings) -> None:
        self._networks = [_Network(each) for each in settings.networks]

    def open(self, source: Format) -> Format:
        for network in self._networks:
            source = network.open(source)
        return source

    def process(self, frame: Frame, buffers: Buffers) -> Iterator[Frame]:
        for network in self._networks:
            out = buffers if network is self._networks[-1] else network.made
            frame = network.cleaned(frame, out)
        yield frame

    def close(self) -> None:
        for network in self._networks:
            network.close()

    def report(self) -> CleanUpReport | None:
        reports = [each for network in self._networks if (each := network.infer.report()) is not None]
        return CleanUpReport(networks=tuple(reports)) if reports else None


class _Network:
    """One network with what is before and after it.

    Attributes:
        infer: runs it.
        made: memory for its result, where another network follows.
    """

    def __init__(self, settings: InferSettings) -> None:
        self._settings = replace(settings, prompt=True)
        self.infer = Infer(self._settings)

    def open(self, source: Format) -> Format:
        """Start the engine; return the format of its results."""
        self._info: VideoInfo = info_of(source)
        self._is_rgb = len(source.planes) == 1
        bits = depth(self._info, 16) if self._is_rgb else None
        pixels: Pixels = "bgr" if self._is_rgb else "yuv"
        self.infer = Infer(replace(self._settings, pixels=pixels, rgb_bits=bits))
        self._preprocess = Preprocess(PreprocessSettings(pixels=pixels))
        self._reconstruct = Reconstruct(ReconstructSettings(rgb_bits=bits))
        preprocessed = self._preprocess.open(source)
        self._preprocessed = HeapBuffers(preprocessed)
        made = self._reconstruct.open(self.infer.open(preprocessed))
        self._planes = HeapBuffers(made)
        if self._is_rgb:
            out = Format(made.planes, about=self._info)
        else:
            out = padded_format(replace(self._info, colour=replace(self._info.colour, sampling="420")))
        self.made = HeapBuffers(out)
        return out

    def cleaned(self, frame: Frame, buffers: Buffers) -> Frame:
        """Return a frame with the network's result; the frame that is given is released."""
        out = buffers.take(frame.info)
        if frame.info.plain and not self._is_rgb:
            self._copy(self._planes_of(frame), out)
            frame.release()
            return out
        for padded in self._preprocess.process(frame, self._preprocessed):
            for made in self.infer.process(padded, self._preprocessed):
                for planes in self._reconstruct.process(made, self._planes):
                    self._copy([planes.planes[0]] if self._is_rgb else [*split_420(planes.planes[0])], out)
                    planes.release()
        return out

    def _copy(self, planes: list[Plane], out: Frame) -> None:
        targets = (
            out.planes if self._is_rgb else inside(out.planes[0], out.planes[1], (self._info.width, self._info.height))
        )
        for plane, target in zip(planes, targets, strict=True):
            np.copyto(target, plane[: target.shape[0], : target.shape[1]])

    def _planes_of(self, frame: Frame) -> list[Plane]:
        """Return Y, U and V of padded planes; of 4:4:4 every second sample of U and V."""
        luma, *chroma = inside(frame.planes[0], frame.planes[1], (self._info.width, self._info.height))
        step = 1 if is_subsampled(*frame.planes) else 2
        return [luma, *(plane[::step, ::step] for plane in chroma)]

    def close(self) -> None:
        """Release the engine."""
        self.infer.close()
