"""Probes of the engines: which can be used, and which one ``--engine auto`` selects."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from sr4k.doctor import Finding, State
from sr4k.engines import EngineSpec, create_engine
from sr4k.engines.choose import Candidate, candidates
from sr4k.models import catalogue
from sr4k.models.colour import Colour

_SIDE = 64
"""Side of the test picture, in pixels."""

_MEND = "update Intel's driver, or keep to --device cpu"

_TRIED = "openvino"
"""The engine that is tried. Engines on a GPU are not, because preparing one can take a minute."""


def _engines() -> Iterator[Finding]:
    found = candidates()
    tried = {c.name: _trial(c) for c in found if c.usable and c.name == _TRIED}
    for candidate in found:
        yield tried.get(candidate.name) or _as_found(candidate)
    yield _torch()
    usable = [c for c in found if c.usable and (c.name not in tried or tried[c.name].state == "ok")]
    if not usable:
        yield Finding("--engine auto", "problem", "no engine can be used on this machine")
        return
    first = usable[0]
    unusable = " and ".join(c.name for c in found[: found.index(first)])
    because = f", because {unusable} can't be used" if unusable else ""
    text = f"selects {first.name} ({first.reason}){because}"
    yield Finding("--engine auto", "ok", text, facts={"chosen": first.name})


def _as_found(candidate: Candidate) -> Finding:
    facts = {"version": candidate.version}
    if not candidate.usable:
        state: State = "problem" if candidate.name == _TRIED else "optional"  # a dependency that is always installed
        return Finding(candidate.name, state, candidate.reason, candidate.mend, facts)
    return Finding(candidate.name, "ok", f"{candidate.reason}; not tried", facts=facts)


def _trial(candidate: Candidate) -> Finding:
    """Try an engine on a small picture."""
    spec = EngineSpec(model=catalogue.DEFAULT, height=_SIDE, width=_SIDE, colour=Colour())
    planes = [np.zeros(shape, spec.input_dtype) for shape in spec.input_shapes]
    try:
        with create_engine(candidate.name, spec) as engine:
            engine.infer(planes)
            about = engine.describe()
    except Exception as err:
        text = f"fails to run ({type(err).__name__}: {' '.join(str(err).split())})"
        return Finding(candidate.name, "problem", text, facts={"version": candidate.version})
    text = f"{candidate.reason}; upscaled a picture in {about['precision']}"
    return Finding(candidate.name, "ok", text, facts={"version": candidate.version, **about})


def _torch() -> Finding:
    try:
        return Finding("torch", "ok", f"PyTorch {version('torch')}, the slow float reference; not tried")
    except PackageNotFoundError:
        text = "PyTorch, the float reference for checks, is not installed"
        return Finding("torch", "optional", text, "pip install 'sr4k-stream[torch]'")


def _devices() -> Iterator[Finding]:
    """Yield OpenVINO's devices, those other than the CPU after a test of the default network."""
    from sr4k.engines.openvino_devices import LACKS, judged, names
    from sr4k.engines.openvino_library import shared_core
    from sr4k.engines.openvino_models import CPU, property_of

    core = shared_core()
    found = names(core)
    for name, device in found.items():
        if device == CPU:
            yield Finding("OpenVINO cpu", "ok", str(property_of(core, device, "FULL_DEVICE_NAME")))
            continue
        verdict = judged(core, device, EngineSpec(model=catalogue.DEFAULT, height=_SIDE, width=_SIDE, colour=Colour()))
        facts = {"device": verdict.device, "seconds": verdict.seconds, "cpu_seconds": verdict.cpu_seconds}
        if verdict.trouble is not None:
            yield Finding(f"OpenVINO {name}", "problem", f"{verdict.device}: {verdict}", _MEND, facts)
        else:
            advice = f"--device {name}" if verdict.is_faster else "--device cpu is faster"
            yield Finding(
                f"OpenVINO {name}", "ok", f"{verdict.device}: gives the CPU's picture; {verdict}: {advice}", None, facts
            )
    for name, lacks in LACKS.items():
        if not any(each.partition(".")[0] == name for each in found):
            yield Finding(f"OpenVINO {name}", "optional", f"not found: {lacks}")


PROBES = (_engines, _devices)
