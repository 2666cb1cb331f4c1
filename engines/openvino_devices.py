"""OpenVINO's devices: the CPU, Intel GPUs and NPUs, and which one runs a network.

A device other than the CPU must prove itself before a job: its picture of a test frame has to be the CPU's within a
tolerance, since drivers have been known to return black pictures. Both are timed with the same frame. The verdict is
kept in the cache folder.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from sr4k.common.option_names import option
from sr4k.common.whole_file import write_whole
from sr4k.engines.base import USUAL_DEVICE, EngineSpec, Plane
from sr4k.engines.cache_folder import cache_folder
from sr4k.engines.openvino_library import ov
from sr4k.engines.openvino_models import CPU, Plan, compiled, plan, property_of, threads_of
from sr4k.errors import EngineError, OutputError

log = logging.getLogger(__name__)

_SCHEMA = 1
"""Version of the verdicts: raised when a change to this package makes older ones wrong."""

_HEIGHT, _WIDTH = 360, 640
"""Size of the test frame: small enough that slow CPUs compute it in a fraction of a second."""

_TIMED = 3
"""Frames that are timed; the fastest counts."""

_MEAN, _FAR, _MOST_FAR = 0.5, 8, 0.001
"""Tolerances in levels of 8 bits: mean difference, and the share of samples that differ by more than `_FAR`."""

_OPENCL = Path("/etc/OpenCL/vendors")

LACKS = {
    "gpu": "it needs an Intel GPU, /dev/dri/renderD* and Intel's compute runtime (apt-get install intel-opencl-icd)",
    "npu": "it needs an Intel NPU, /dev/accel/accel0 and Intel's NPU driver (intel-level-zero-npu)",
}
"""What a device needs, by its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a device did with the test frame.

    Attributes:
        device: its name, as OpenVINO gives it.
        trouble: why it can't be used; ``None``: its picture is the CPU's.
        seconds, cpu_seconds: time of one frame on it and on the CPU.
    """

    device: str
    trouble: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def is_faster(self) -> bool:
        """Whether it can be used, and is faster than the CPU."""
        return self.trouble is None and self.seconds < self.cpu_seconds

    def __str__(self) -> str:
        if self.trouble is not None:
            return self.trouble
        ours, cpus = 1000 * self.seconds, 1000 * self.cpu_seconds
        return f"{ours:.1f} ms for a frame of {_WIDTH}x{_HEIGHT}, the CPU {cpus:.1f} ms"


_known: dict[str, Verdict] = {}
"""Verdicts of this process, by key."""


def names(core: "ov.Core") -> dict[str, str]:
    """Return the devices that OpenVINO finds: our name, such as ``gpu``, ``gpu.1`` or ``npu``, and its own."""
    found = {name.lower(): name for name in core.available_devices}
    if "gpu.0" in found:
        found = {"gpu": found.pop("gpu.0"), **found}
    return found


def device_for(core: "ov.Core", spec: EngineSpec) -> str:
    """Return OpenVINO's name of the device that runs a network; see ``device`` of `EngineSpec`.

    ``auto`` is the CPU, unless another device passes the test and is faster.

    Raises:
        EngineError: the device that is asked for isn't there, or doesn't give the CPU's picture.
    """
    if spec.device == USUAL_DEVICE:
        return CPU
    found = names(core)
    if spec.device == "auto":
        return _fastest(core, spec, {name: device for name, device in found.items() if device != CPU})
    if spec.device not in found:
        lacks = LACKS[spec.device.partition(".")[0]]
        raise EngineError(f"OpenVINO finds no device {spec.device} here: {lacks}. It finds {', '.join(found)}.")
    verdict = judged(core, found[spec.device], spec)
    if verdict.trouble is not None:
        named, instead = _called(spec.device, verdict), option("device", "cpu")
        raise EngineError(f"OpenVINO's {named} is refused: {verdict}. Use {instead}.")
    if verdict.is_faster:
        log.info("OpenVINO's %s: %s.", _called(spec.device, verdict), verdict)
    else:
        log.warning("OpenVINO's %s is slower than the CPU: %s.", _called(spec.device, verdict), verdict)
    return found[spec.device]


def judged(core: "ov.Core", device: str, spec: EngineSpec) -> Verdict:
    """Return the verdict on a device, from the cache if it was tested before with the same driver and network.

    Args:
        core: OpenVINO.
        device: its name of the device.
        spec: the network; the size of the frames is that of the test.
    """
    spec = replace(spec, height=_HEIGHT, width=_WIDTH, prompt=True)
    made = plan(core, device, spec)
    key = _key(core, device, spec, made)
    if key not in _known:
        kept = cache_folder() / f"device-{key}.json"
        _known[key] = _read(kept) or _tested(core, device, spec, made)
        if _known[key].seconds:  # what failed may have been in use by others
            with suppress(OutputError):  # else it is tested again at the next start
                write_whole(kept, json.dumps(asdict(_known[key]), indent=2).encode())
    return _known[key]


def _fastest(core: "ov.Core", spec: EngineSpec, found: dict[str, str]) -> str:
    best, seconds = CPU, math.inf
    for name, device in found.items():
        verdict = judged(core, device, spec)
        if verdict.trouble is not None:
            log.warning("OpenVINO's %s is not used: %s.", _called(name, verdict), verdict)
        elif verdict.is_faster and verdict.seconds < seconds:
            best, seconds = device, verdict.seconds
        log.info("OpenVINO's %s: %s.", _called(name, verdict), verdict)
    return best


def _called(name: str, verdict: Verdict) -> str:
    return f"{name} ({verdict.device})"


def _tested(core: "ov.Core", device: str, spec: EngineSpec, made: Plan) -> Verdict:
    """Compute the test frame on the device and on the CPU, compare the pictures and time both.

    The CPU computes the same int8 graph, or else the network in float32; its time is that of what it would run itself.
    """
    about = Verdict(device=_full_name(core, device))
    inputs = trial_frame(spec)
    try:
        picture, seconds = _timed(compiled(core, device, made), inputs)
    except RuntimeError as err:
        return replace(about, trouble=f"it fails ({' '.join(str(err).split())[:300]})")
    exact = plan(core, CPU, replace(spec, precision="int8" if made.precision == "int8" else "fp32"))
    own = plan(core, CPU, spec)
    expected, cpu_seconds = _timed(compiled(core, CPU, exact), inputs)
    if own.precision != exact.precision:
        _, cpu_seconds = _timed(compiled(core, CPU, own), inputs)
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


def _timed(network: "ov.CompiledModel", inputs: Sequence[Plane]) -> tuple[Plane, float]:
    """Return the network's result, and the seconds that it takes."""
    request = network.create_infer_request()
    for index, plane in enumerate(inputs):
        batch = plane.reshape(1, *([1] * (3 - plane.ndim)), *plane.shape)
        request.set_input_tensor(index, ov.Tensor(np.ascontiguousarray(batch), shared_memory=False))
    request.infer()  # the first one allocates memory
    times = list(_times(request))
    return request.get_output_tensor(0).data[0].copy(), min(times)


def _times(request: "ov.InferRequest") -> Iterator[float]:
    for _ in range(_TIMED):
        began = time.perf_counter()
        request.infer()
        yield time.perf_counter() - began


def _full_name(core: "ov.Core", device: str) -> str:
    return str(property_of(core, device, "FULL_DEVICE_NAME") or device)


def _driver(core: "ov.Core", device: str) -> str:
    """Return the version of the device's driver; if OpenVINO does not tell it, what its files are."""
    version = property_of(core, device, f"{device.partition('.')[0]}_DRIVER_VERSION")
    return str(version or sorted(_stamps()))


def _stamps() -> Iterator[str]:
    """Yield name, size and time of the drivers that are registered with OpenCL."""
    for entry in _OPENCL.glob("*.icd"):
        with suppress(OSError):
            library = Path(entry.read_text().strip())
            about = library.stat()
            yield f"{library.resolve().name} {about.st_size} {about.st_mtime_ns}"


def _key(core: "ov.Core", device: str, spec: EngineSpec, made: Plan) -> str:
    """Return a hash of all that a verdict depends on."""
    parts = {
        "schema": _SCHEMA,
        "openvino": ov.get_version(),
        "device": device,
        "name": _full_name(core, device),
        "driver": _driver(core, device),
        "cpu": _full_name(core, CPU),
        "threads": threads_of(spec),
        "network": hashlib.sha256(made.graph).hexdigest(),
        "config": dict(made.config),
        "precision": made.precision,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> Verdict | None:
    """Return a verdict that was kept; ``None`` if there is none, or the file is damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return Verdict(**{each.name: found[each.name] for each in fields(Verdict)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
