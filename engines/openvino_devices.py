"""OpenVINO's devices: the CPU, Intel GPUs and NPUs, and which one runs a network.

A device other than the CPU must prove itself before a job: its picture of a test frame has to be the CPU's within a
tolerance, since drivers have been known to return black pictures. Both are timed with the same frame. The verdict is
kept in the cache folder.
"""

import json
import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from sr4k.common.option_names import option
from sr4k.common.whole_file import write_whole
from sr4k.engines.base import USUAL_DEVICE, EngineSpec
from sr4k.engines.cache_folder import cache_folder, hash_of, read_kept
from sr4k.engines.openvino_library import ov
from sr4k.engines.openvino_models import CPU, Plan, plan, property_of, threads_of
from sr4k.engines.openvino_trial import Verdict, full_name, trial_size, tried_apart
from sr4k.errors import EngineError, OutputError

log = logging.getLogger(__name__)

_SCHEMA = 1
"""Version of the verdicts: raised when a change to this package makes older ones wrong."""

_OPENCL = Path("/etc/OpenCL/vendors")

LACKS = {
    "gpu": "it needs an Intel GPU, /dev/dri/renderD* and Intel's compute runtime (apt-get install intel-opencl-icd)",
    "npu": "it needs an Intel NPU, /dev/accel/accel0 and Intel's NPU driver (intel-level-zero-npu)",
}
"""What a device needs, by its kind."""


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
    height, width = trial_size(spec)
    spec = replace(spec, height=height, width=width, prompt=True)
    made = plan(core, device, spec)
    key = _key(core, device, spec, made)
    if key not in _known:
        kept = cache_folder() / f"device-{key}.json"
        _known[key] = read_kept(kept, Verdict) or tried_apart(device, spec)
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


def _driver(core: "ov.Core", device: str) -> str:
    """Return the version of the device's driver; if OpenVINO does not report it, a description of its files."""
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
        "name": full_name(core, device),
        "driver": _driver(core, device),
        "cpu": full_name(core, CPU),
        "threads": threads_of(spec),
        "config": dict(made.config),
        "precision": made.precision,
    }
    return hash_of(parts, made.key)
