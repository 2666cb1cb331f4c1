"""Measures VMAF with libvmaf, in PyAV's FFmpeg or in that of the package imageio-ffmpeg."""

import csv
import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Protocol

import av
import av.filter
import numpy as np
from av.video.frame import VideoFrame

from sr4k.errors import MachineError
from sr4k.media.planes import rows_of

MODELS = {"VMAF": "vmaf_v0.6.1", "VMAF-NEG": "vmaf_v0.6.1neg"}
"""Measures (0 to 100) and libvmaf's names of their models. NEG (no enhancement gain) gives no credit for sharpening."""

LEAST_SIDE = 96
"""Least side in pixels. libvmaf halves a frame four times: with small ones its scores depend on uninitialised memory
(tried: sides up to 68), and with sides below 17 it crashes."""

INSTALL = "pip install 'sr4k-stream[vmaf]'"

_EVEN = "floor(iw/2)*2:floor(ih/2)*2:0:0"
"""Options of the crop filter: drop an odd last column and row, because libvmaf reads beyond the end of odd lines."""

_LOG = "scores.csv"
_TICK = Fraction(1, 25)


class Vmaf:
    """Measures pairs of frames: `add` each, then read `scores`, which libvmaf returns only at the end. Always `close`.

    The scores are kept in a file with a line per pair, so that memory doesn't grow.
    """

    def __init__(self, size: tuple[int, int], pixel_format: str) -> None:
        """Start libvmaf.

        Args:
            size: width and height of the frames; each at least `LEAST_SIDE`.
            pixel_format: libav's name of a planar 4:2:0, 4:2:2 or 4:4:4 format with 8 or 10 bits.

        Raises:
            MachineError: libvmaf is not installed.
        """
        self._folder = TemporaryDirectory(prefix="sr4k-vmaf-")
        try:
            self._gauge = _gauge(Path(self._folder.name), size, pixel_format)
        except BaseException:
            self._folder.cleanup()
            raise
        self._pairs = 0

    def close(self) -> None:
        """Stop libvmaf, and delete its files."""
        self._gauge.give_up()
        self._folder.cleanup()

    def add(self, result: VideoFrame, reference: VideoFrame) -> None:
        """Add a pair of frames.

        Raises:
            MachineError: libvmaf failed.
        """
        self._gauge.add(result, reference, self._pairs)
        self._pairs += 1

    def scores(self) -> Iterator[dict[str, float]]:
        """Yield the scores of each pair, by the names of `MODELS`. No pair can be added after that.

        The first pair's scores are some points low: libvmaf masks errors by motion, and the first frame has none.

        Raises:
            MachineError: libvmaf failed.
        """
        self._gauge.finish()
        count = 0
        try:
            with (Path(self._folder.name) / _LOG).open(newline="") as log:
                for row in csv.DictReader(log):
                    yield {name: float(row[model]) for name, model in MODELS.items()}
                    count += 1
        except (OSError, KeyError, TypeError, ValueError):
            count = -1
        if count != self._pairs:
            raise MachineError(f"VMAF's scores are incomplete: check that {gettempdir()} has free disk space.")


def lack(size: tuple[int, int]) -> str | None:
    """Return why VMAF of frames of this size can't be measured, and what to do; ``None``: it can."""
    if min(size) < LEAST_SIDE:
        return f"no VMAF: it needs frames of {LEAST_SIDE}x{LEAST_SIDE} or more"
    return None if _is_built_in() or _program() else f"no VMAF: it needs libvmaf: {INSTALL}"


class _Gauge(Protocol):
    def add(self, result: VideoFrame, reference: VideoFrame, number: int) -> None: ...

    def finish(self) -> None:
        """Finish after the last pair, and write the log."""

    def give_up(self) -> None:
        """Stop whatever is running."""


def _gauge(folder: Path, size: tuple[int, int], pixel_format: str) -> _Gauge:
    if _is_built_in():
        return _BuiltIn(folder, size, pixel_format)
    if program := _program():
        return _Program(program, folder, size, pixel_format)
    raise MachineError(f"There is {lack(size)}.")


def _is_built_in() -> bool:
    return "libvmaf" in av.filter.filters_available


def _program() -> str | None:
    """Return the path of imageio-ffmpeg's ffmpeg, or of the user's replacement, if it has the libvmaf filter."""
    try:
        found = shutil.which(import_module("imageio_ffmpeg").get_ffmpeg_exe())
        if found is None:
            return None
        asked = [str(Path(found).resolve()), "-hide_banner", "-h", "filter=libvmaf"]
        output = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    except (ImportError, RuntimeError, OSError):
        return None
    return asked[0] if output.startswith(b"Filter libvmaf") else None


def _models(colon: str) -> str:
    return "|".join(f"version={version}{colon}name={version}" for version in MODELS.values())


class _BuiltIn:
    """Runs libvmaf in PyAV's FFmpeg."""

    def __init__(self, folder: Path, size: tuple[int, int], pixel_format: str) -> None:
        graph = av.filter.Graph()
        about = f"video_size={size[0]}x{size[1]}:pix_fmt={pixel_format}:time_base={_TICK}"
        self._sources = [graph.add("buffer", about) for _ in range(2)]
        # options as keywords need no escaping
        measure = graph.add(
            "libvmaf", log_fmt="csv", log_path=str(folder / _LOG), model=_models(":"), n_threads=str(_threads())
        )
        self._sink: av.filter.context.FilterContext | None = graph.add("buffersink")
        for index, source in enumerate(self._sources):
            even = graph.add("crop", _EVEN)
            source.link_to(even)
            even.link_to(measure, 0, index)
        measure.link_to(self._sink)
        graph.configure()

    def add(self, result: VideoFrame, reference: VideoFrame, number: int) -> None:
        for source, picture in zip(self._sources, (result, reference), strict=True):
            picture.pts, picture.time_base = number, _TICK
            source.push(picture)
        assert self._sink is not None
        self._sink.pull()

    def finish(self) -> None:
        while self._sources:
            self._sources.pop().push(None)
        self.give_up()

    def give_up(self) -> None:
        self._sources.clear()
        self._sink = None
        gc.collect()  # libvmaf writes its log when the graph is freed, and the graph is in a reference cycle


class _Program:
    """Runs libvmaf in an ffmpeg that reads both videos interleaved from one pipe: two pipes could deadlock."""

    def __init__(self, program: str, folder: Path, size: tuple[int, int], pixel_format: str) -> None:
        self._dtype = "uint16" if pixel_format.endswith("10le") else "uint8"
        self._errors = folder / "errors"
        raw = f"-f rawvideo -pix_fmt {pixel_format} -video_size {size[0]}x{size[1]} -framerate 25 -i pipe:0".split()
        by_turns = (
            f"crop={_EVEN},"
            r"split[one][other];[one]select=not(mod(n\,2)),settb=1/25,setpts=N[result];"
            r"[other]select=mod(n\,2),settb=1/25,setpts=N[reference];[result][reference]"
        )
        models = _models(r"\:")
        measure = f"libvmaf=log_fmt=csv:log_path={_LOG}:n_threads={_threads()}:model='{models}'"
        with self._errors.open("wb") as errors:
            self._ffmpeg = subprocess.Popen(
                [program, "-v", "error", *raw, "-lavfi", by_turns + measure, "-f", "null", "-"],
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def add(self, result: VideoFrame, reference: VideoFrame, number: int) -> None:
        del number  # frames are paired by their order
        pipe = self._ffmpeg.stdin
        assert pipe is not None
        try:
            for picture in (result, reference):
                for plane in picture.planes:
                    rows = rows_of(plane, self._dtype)[: plane.height, : plane.width]
                    pipe.write(np.ascontiguousarray(rows).data)
        except BrokenPipeError:
            raise self._failure() from None

    def finish(self) -> None:
        self._ffmpeg.communicate()
        if self._ffmpeg.returncode:
            raise self._failure()

    def give_up(self) -> None:
        self._ffmpeg.kill()
        self._ffmpeg.communicate()

    def _failure(self) -> MachineError:
        self._ffmpeg.communicate()
        message = " ".join(self._errors.read_text(errors="replace").split())
        return MachineError(f"VMAF can't be measured: {message or f'ffmpeg ended with {self._ffmpeg.returncode}'}.")


def _threads() -> int:
    return len(os.sched_getaffinity(0))
