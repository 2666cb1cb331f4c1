"""Choice of the engine where the user names none, with reasons.

The choice rests on the driver and the list of installed packages, without heavy imports: the process that plans a job
makes it.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from sr4k.engines import AUTO, ENGINES, check_engine, create_engine, load_engine
from sr4k.engines.base import USUAL_DEVICE, Engine, EngineSpec, for_ours_alone
from sr4k.engines.nvidia import Gpu, driver
from sr4k.errors import EngineError, OptionError

log = logging.getLogger(__name__)

T = TypeVar("T")

GPU_ENGINES = ("tensorrt", "cuda")
"""Engines that run on an NVIDIA GPU."""

_OF_DEVICES = "openvino"
"""The engine that has devices; see ``device`` of `EngineSpec`."""

_FOR_FOREIGN = ("tensorrt", "openvino")
"""Engines that `AUTO` takes for networks that users bring."""

_OURS_ALONE = ("cuda",)
"""Engines that run none of those."""

# Not ``tensorrt-stubs``, which installs a module of that name without the library.
_TENSORRT = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
_TENSORRT_CAPABILITY = (7, 5)
CUDA_CAPABILITY = (8, 0)
"""Ampere: the oldest GPUs whose int8 and 16-bit tensor cores Triton supports."""

_one_at_a_time = threading.Lock()  # jobs that are planned in parallel would each log the same warning


@dataclass(frozen=True, slots=True)
class Candidate:
    """An engine that `AUTO` considers.

    Attributes:
        name: of the engine.
        usable: whether it can be used on this machine.
        reason: why it can or can't be used.
        version: of its library, if that is installed.
        mend: command that makes it usable, if there is one.
    """

    name: str
    usable: bool
    reason: str
    version: str | None = None
    mend: str | None = None


def candidates() -> tuple[Candidate, ...]:
    """Return all engines that `AUTO` considers, the best first."""
    return tuple(
        check()
        for name, check in (("tensorrt", _tensorrt), ("cuda", _cuda), ("openvino", _openvino))
        if name in ENGINES
    )


def engines_for(name: str, device: str = USUAL_DEVICE, *, foreign: bool = False) -> tuple[str, ...]:
    """Return the engines to try, in order: the named one alone, or for `AUTO` all that can be used.

    Where a GPU could run a better one, the log says once what it lacks.

    Args:
        name: of an engine, or `AUTO`.
        device: of OpenVINO; another than the usual one asks for OpenVINO.
        foreign: whether it is to run a network that the user brought.

    Raises:
        EngineError: for `AUTO`, none can be used.
        OptionError: there is no such engine.
    """
    check_engine(name)
    if name != AUTO:
        return (name,)
    if device != USUAL_DEVICE:
        return (_OF_DEVICES,)
    with _one_at_a_time:
        usable = _usable()
    return tuple(name for name in usable if name in _FOR_FOREIGN) if foreign else usable


def check_for_foreign(name: str, model: str) -> None:
    """Check that an engine, or `AUTO`, runs networks that users bring; this is known without starting it.

    Raises:
        OptionError: it doesn't.
    """
    if name in _OURS_ALONE:
        raise for_ours_alone(name, model)


def start_first(names: Sequence[str], spec: EngineSpec, first_quality: int | None = None) -> tuple[str, Engine]:
    """Activate the first of these engines that starts, and return its name and itself; the log names those that don't.

    Args:
        names: backends to try, in order.
        spec: what to run.
        first_quality: how compressed the source of the first frame is: engines that follow the quality start with
            that instead of the spec's. ``None``: all start with the spec's.

    Raises:
        Sr4kError: the last one doesn't start either.
    """

    def start(name: str) -> Engine:
        engine = engine_for(name, spec)
        if first_quality is not None and engine.follows_quality:
            engine = engine_for(name, replace(spec, quality=first_quality))
        return engine.activate()

    return first_to_start(names, start)


def first_to_start(names: Sequence[str], start: Callable[[str], T]) -> tuple[str, T]:
    """Return the first of these names that ``start`` succeeds for, and its result; the log names those that fail.

    Raises:
        Sr4kError: ``start`` fails for the last one as well.
    """
    for name, following in pairwise(names):
        try:
            return name, start(name)
        except (OptionError, RuntimeError, MemoryError) as err:  # an option that one engine refuses another may accept
            log.warning("The engine %s does not start, %s is tried: %s", name, following, " ".join(str(err).split()))
    return names[-1], start(names[-1])


def engine_for(name: str, spec: EngineSpec) -> Engine:
    """Return an engine that is not active yet; one that works in tiles if the picture is too large to be done at once.

    So does one for a network that the user brought, in tiles of sizes that it takes.

    Raises:
        OptionError: there is no such engine, or it can't run this spec.
        EngineError: its library is not installed.
    """
    if spec.foreign is not None:
        from sr4k.engines.foreign_tiles import ForeignTiles

        return ForeignTiles(load_engine(name), spec)
    from sr4k.engines.tiled import TiledEngine, is_too_large  # NumPy, which whoever plans a job does without

    return TiledEngine(load_engine(name), spec) if is_too_large(spec) else create_engine(name, spec)


@cache
def _usable() -> tuple[str, ...]:
    found = candidates()
    names = tuple(candidate.name for candidate in found if candidate.usable)
    if not names:
        raise EngineError(f"No engine can be used: {_reasons(found)}.")
    passed_over = found[: next(index for index, candidate in enumerate(found) if candidate.usable)]
    if passed_over and driver().gpus:
        log.warning("The engine is %s. Better on this GPU: %s.", names[0], _reasons(passed_over))
    return names


def _reasons(found: Sequence[Candidate]) -> str:
    return "; ".join(f"{c.name}, but {c.reason}{f' ({c.mend})' if c.mend else ''}" for c in found)


def _tensorrt() -> Candidate:
    installed = next((found for name in _TENSORRT if (found := _version(name))), None)
    gpu = _gpu(_TENSORRT_CAPABILITY)
    if isinstance(gpu, str):
        return Candidate("tensorrt", False, gpu, installed)
    if missing := _missing({"TensorRT": installed, "cuda-bindings": _version("cuda-bindings")}):
        return Candidate("tensorrt", False, missing, installed, "pip install 'sr4k-stream[gpu]'")
    return Candidate("tensorrt", True, f"TensorRT {installed} on {gpu.name}", installed)


def _cuda() -> Candidate:
    installed = _version("torch")
    gpu = _gpu(CUDA_CAPABILITY)
    if isinstance(gpu, str):
        return Candidate("cuda", False, gpu, installed)
    if missing := _missing({"PyTorch": installed, "Triton": _version("triton")}):
        return Candidate("cuda", False, missing, installed, "pip install 'sr4k-stream[cuda]'")
    from importlib.metadata import distribution

    if not Path(str(distribution("torch").locate_file("torch/lib/libtorch_cuda.so"))).exists():
        reason = f"PyTorch {installed} is built without CUDA"
        return Candidate("cuda", False, reason, installed, "pip install --force-reinstall torch")
    return Candidate("cuda", True, f"PyTorch {installed} on {gpu.name}", installed)


def _openvino() -> Candidate:
    installed = _version("openvino")
    if installed is None:
        return Candidate("openvino", False, "OpenVINO is not installed", None, "pip install openvino")
    return Candidate("openvino", True, f"OpenVINO {installed}, on any CPU", installed)


def _gpu(least: tuple[int, int]) -> Gpu | str:
    """Return the first GPU if it has this compute capability, else the reason why it can't be used."""
    found = driver()
    if not found.gpus:
        return "there is no NVIDIA GPU" if found.trouble is None else f"no NVIDIA GPU can be used ({found.trouble})"
    gpu = found.gpus[0]
    if gpu.capability >= least:
        return gpu
    has, needs = ("{}.{}".format(*capability) for capability in (gpu.capability, least))
    return f"the {gpu.name} has compute capability {has}, and {needs} is the least"


def _missing(versions: Mapping[str, str | None]) -> str | None:
    """Return a reason that names the first package without a version, or ``None``."""
    return next((f"{package} is not installed" for package, found in versions.items() if found is None), None)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # here: workers, which are told the engine, need none

    try:
        return version(package)
    except PackageNotFoundError:
        return None
