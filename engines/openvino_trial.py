"""The test of one of OpenVINO's devices: its picture of a test frame beside the CPU's, and how long both take.

The test is made in a process of its own, because drivers have been known to crash or to hang.
"""

import json
import math
import os
import pickle
import select
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import BinaryIO

import numpy as np

from sr4k.common.printable import one_line
from sr4k.engines.base import EngineSpec, Plane, joined
from sr4k.engines.foreign_tiles import up
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.engines.openvino_models import CPU, Plan, compiled, give, plan, property_of, result_of
from sr4k.models.geometry import CELL
from sr4k.pipeline.spawning import has_interpreter, received, spawn

HEIGHT, WIDTH = 360, 640
"""Size of the test frame: small enough that slow CPUs compute it in a fraction of a second."""

_WORK = 100e9
"""Multiply-accumulates of the test frame, at most, where a network that the user brought takes smaller ones."""

_LEAST = 90
"""Rows of the smallest test frame."""

_TIMED = 3
"""Frames that are timed; the fastest counts."""

_MEAN, _FAR, _MOST_FAR = 0.5, 8, 0.001
"""Tolerances in levels of 8 bits: mean difference, and the share of samples that differ by more than `_FAR`."""


_LIMIT = 120.0
"""Seconds that the test may take in its process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a device did with the test frame.

    Attributes:
        device: its name, as OpenVINO gives it.
        trouble: why it can't be used; ``None``: its picture is the CPU's.
        seconds, cpu_seconds: time of one frame on it and on the CPU.
        size: of the frame, WIDTHxHEIGHT.
    """

    device: str
    trouble: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    size: str = f"{WIDTH}x{HEIGHT}"

    @property
    def is_faster(self) -> bool:
        """Whether it can be used, and is faster than the CPU."""
        return self.trouble is None and self.seconds < self.cpu_seconds

    def __str__(self) -> str:
        if self.trouble is not None:
            return self.trouble
        ours, cpus = 1000 * self.seconds, 1000 * self.cpu_seconds
        return f"{ours:.1f} ms for a frame of {self.size}, the CPU {cpus:.1f} ms"


def trial_size(spec: EngineSpec) -> tuple[int, int]:
    """Return rows and columns of the test frame: of a size that the network takes, and smaller if it is heavy."""
    if (foreign := spec.foreign) is None:
        return HEIGHT, WIDTH
    card, height, width = foreign.card, HEIGHT, WIDTH
    if card.fixed is not None:
        return card.fixed
    while card.macs(height, width) > _WORK and height // 2 >= _LEAST:
        height, width = height // 2, width // 2
    grid = math.lcm(CELL, card.multiple)
    return up(height, grid), up(width, grid)


def tried_apart(device: str, spec: EngineSpec) -> Verdict:
    """Return what `tried` finds in a process of its own, which it may crash or hang.

    Args:
        device: OpenVINO's name of it.
        spec: the network, and frames of the size of the test.
    """
    if not has_interpreter():
        return tried(shared_core(), device, spec)
    answers, theirs = os.pipe()
    process, pipe = spawn(__name__, "test of a device", fds=(theirs,), apart=True)
    os.close(theirs)
    with pipe, os.fdopen(answers, "rb") as answer:
        try:
            pickle.dump((device, spec, theirs), pipe)
            pipe.flush()
            answered = bool(select.select([answer], [], [], _LIMIT)[0])
            found = answer.read() if answered else b""
        except BrokenPipeError:
            answered, found = True, b""
        process.kill()
        code = process.wait()
    if found:
        return Verdict(**json.loads(found))
    cause = _end(code) if answered else f"its test takes longer than {_LIMIT:.0f} s"
    return Verdict(device=device, trouble=cause)


def run(_name: str, pipe: BinaryIO) -> None:
    """Test a device in this process; `sr4k.pipeline.spawning` calls it."""
    device, spec, answers = received(pipe)
    verdict = tried(shared_core(), device, spec)
    with os.fdopen(answers, "wb") as answer:
        answer.write(json.dumps(asdict(verdict)).encode())


def _end(code: int) -> str:
    return f"its test crashes ({signal.Signals(-code).name})" if code < 0 else f"its test ends with exit code {code}"


def tried(core: "ov.Core", device: str, spec: EngineSpec) -> Verdict:
    """Compute the test frame on the device and on the CPU, compare the pictures and time both.

    The CPU computes the same int8 graph, or else the network in float32; its time is that of what it would run itself.
    """
    about = Verdict(device=full_name(core, device), size=f"{spec.width}x{spec.height}")
    inputs, made = trial_frame(spec), plan(core, device, spec)
    try:
        picture, seconds = _timed(core, device, made, inputs)
    except RuntimeError as err:
        return replace(about, trouble=f"it fails ({one_line(str(err), 300)})")
    exact = plan(core, CPU, replace(spec, precision="int8" if made.precision == "int8" else "fp32"))
    is_half = spec.precision in ("bf16", "fp16")  # which the CPU may not compute in
    own = plan(core, CPU, replace(spec, precision="auto") if is_half else spec)
    expected, cpu_seconds = _timed(core, CPU, exact, inputs)
    if own.precision != exact.precision:
        _, cpu_seconds = _timed(core, CPU, own, inputs)
    trouble = difference(picture, expected, 1 if spec.colour is None else spec.colour.unit)
    return replace(about, trouble=trouble, seconds=seconds, cpu_seconds=cpu_seconds)


def difference(picture: Plane, expected: Plane, unit: float = 1) -> str | None:
    """Return how a picture differs from the expected one, ``None`` if it is within the tolerance.

    Args:
        picture, expected: sub-pixels of one frame.
        unit: code values per level of 8 bits.
    """
    apart = np.abs(picture.astype(np.float64) - expected) / unit
    mean, far = apart.mean(), (apart > _FAR).mean()
    if mean <= _MEAN and far <= _MOST_FAR:
        return None
    if not np.any(picture):
        return "its picture of a test frame is black"
    return (
        f"its picture of a test frame is not the CPU's: it differs by {mean:.1f} of 255 levels on average, and "
        f"{100 * far:.1f} % of it by more than {_FAR}"
    )


def trial_frame(spec: EngineSpec) -> list[Plane]:
    """Return padded planes of a picture with slopes, edges, waves and noise.

    Its contrast is that of photographs: beyond it int8 saturates, and devices need not agree.
    """
    draw = np.random.default_rng(0)
    peak = 255 if spec.colour is None else spec.colour.peak
    return [np.rint(peak * _drawn(draw, shape)).astype(spec.input_dtype) for shape in spec.input_shapes]


def _drawn(draw: np.random.Generator, shape: Sequence[int]) -> Plane:
    """Return one plane or several of values from 0 to 1, in four bands."""
    *_, rows, columns = shape
    y, x = np.mgrid[:rows, :columns]
    slope = x / columns
    blocks = draw.uniform(0.25, 0.75, (-(-rows // 24), -(-columns // 24)))[y // 24, x // 24]
    waves = 0.5 + 0.15 * np.sin(x / 4 + y / 7)
    flat = np.full((rows, columns), 0.4)
    one = np.choose(y * 4 // rows, (slope, blocks, waves, flat))
    drawn: Plane = np.clip(one + draw.normal(0, 0.01, shape), 0, 1)
    return drawn


def _timed(core: "ov.Core", device: str, made: Plan, inputs: Sequence[Plane]) -> tuple[Plane, float]:
    """Return the result of a network on a device, and the seconds that it takes.

    Raises:
        RuntimeError: the device does not take the network, or fails.
    """
    request = compiled(core, device, made).create_infer_request()
    give(request, inputs, cells=made.cells, ranged=made.ranged)
    request.infer()  # the first one allocates memory
    times = list(_times(request))
    return joined(result_of(request, planes=made.planes)), min(times)


def _times(request: "ov.InferRequest") -> Iterator[float]:
    for _ in range(_TIMED):
        began = time.perf_counter()
        request.infer()
        yield time.perf_counter() - began


def full_name(core: "ov.Core", device: str) -> str:
    """Return the name of a device as OpenVINO gives it."""
    return str(property_of(core, device, "FULL_DEVICE_NAME") or device)
