"""The public interface of the package, and state of the embedding program that it must not change."""

import ast
import inspect
import logging
import os
import pkgutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from clips import MakeClip

import sr4k
from sr4k import errors

ROOT = Path(sr4k.__file__).parents[1]
ROOMS = "configs", "engines", "live", "media", "models", "pipeline", "stages", "sr4k"
APART = "sr4k/queue", "sr4k/service", "sr4k/web"
"""The service's own rooms, whose errors are answers of its interface."""

PUBLIC = [
    "Address",
    "AddressError",
    "Box",
    "DamageError",
    "EngineError",
    "EngineReport",
    "FieldError",
    "FullDiskError",
    "InputError",
    "IntakeReport",
    "InternalError",
    "Job",
    "JobLosses",
    "LiveJob",
    "LiveProgress",
    "LiveSummary",
    "MachineError",
    "NoMachineError",
    "OptionError",
    "OutputError",
    "PlayoutReport",
    "Preset",
    "Probe",
    "ProcessWork",
    "Progress",
    "ReaderGoneError",
    "RunningJob",
    "Scale",
    "SettingError",
    "SourceReport",
    "Sr4kError",
    "StageWork",
    "StoppedError",
    "Summary",
    "TargetProgress",
    "TargetReport",
    "TimeSpan",
    "Upscaler",
    "VideoChoice",
    "VideoReport",
    "WorkerError",
    "WorkerStatus",
    "__version__",
    "fast_enough",
    "load_preset",
    "parse_source",
    "parse_target",
    "probe",
]


def test_the_public_names_are_these() -> None:
    assert sorted(PUBLIC) == sorted(sr4k.__all__) == sorted(dir(sr4k))
    assert sr4k.__version__ == version("sr4k-stream")


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(sr4k, name)
    assert isinstance(found, str) or inspect.getdoc(found)


@pytest.mark.parametrize("summary", [sr4k.Summary, sr4k.LiveSummary])
def test_so_are_the_types_of_a_summarys_fields(summary: type) -> None:
    named = [kind for hint in get_type_hints(summary).values() for kind in (hint, *get_args(hint))]
    ours = {kind.__name__ for kind in named if getattr(kind, "__module__", "").startswith("sr4k.")}
    assert "EngineReport" in ours and ours <= {*PUBLIC}


@pytest.mark.parametrize("progress", [sr4k.Progress, sr4k.LiveProgress])
def test_progress_is_plain_data_that_cant_be_changed(progress: type) -> None:
    with pytest.raises(FrozenInstanceError):
        progress().seconds = 1.0
    named = {getattr(kind, "__name__", "") for hint in get_type_hints(progress).values() for kind in get_args(hint)}
    assert named <= {*PUBLIC, "float", "int", "str", "NoneType", ""}


@pytest.mark.parametrize(("job", "ends"), [(sr4k.Job, ["source", "target"]), (sr4k.LiveJob, ["source", "targets"])])
def test_all_but_the_ends_of_a_job_is_given_by_name(job: type, ends: list[str]) -> None:
    fields = inspect.signature(job).parameters.values()
    assert [each.name for each in fields if each.kind is not each.KEYWORD_ONLY] == ends


def test_no_module_takes_the_name_of_what_is_exported() -> None:
    modules = {module.name for module in pkgutil.iter_modules(sr4k.__path__)}
    assert not modules & {*PUBLIC}


@pytest.mark.slow(seconds=1)
def test_every_error_that_a_user_may_catch_is_among_them() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    files = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    files = (path for path in files if not path.relative_to(ROOT).as_posix().startswith(APART))
    bases = {
        made.name: {base.id for base in made.bases if isinstance(base, ast.Name)}
        for path in files
        for made in ast.walk(ast.parse(path.read_text()))
        if isinstance(made, ast.ClassDef)
    }
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    assert {"AddressError", "FullDiskError"} < found
    assert found <= {*PUBLIC}


def test_what_is_not_exported_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Parts'"):
        sr4k.Parts  # noqa: B018


@pytest.mark.slow(seconds=1)
def test_all_but_a_look_into_a_file_is_had_without_codecs_and_networks() -> None:
    heavy = "av", "openvino", "onnx", "torch", "cv2", "tensorrt"
    code = (
        "import sys, sr4k; [getattr(sr4k, name) for name in sr4k.__all__ if name.lower() != 'probe']; "
        f"print([module for module in {heavy!r} if module in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def belongings() -> dict[str, Any]:
    """Return state of the process that belongs to the program and not to a library."""
    root = logging.getLogger()
    return {
        "handlers": (root.handlers[:], root.level, root.filters[:], logging.getLogger("sr4k").handlers[:]),
        "warnings": warnings.showwarning,
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "path": sys.path[:],
        "environment": dict(os.environ),
        "folder": Path.cwd(),
    }


def run_file(make_clip: MakeClip, tmp_path: Path, seen: Callable[[object], None]) -> None:
    preset = sr4k.load_preset("file").updated("engine", name="nearest")
    summary = sr4k.Job(make_clip("in.mp4", frames=5), tmp_path / "out.mp4", preset=preset).run(on_status=seen)
    assert summary.frames == 5


def run_live(make_clip: MakeClip, tmp_path: Path, seen: Callable[[object], None]) -> None:  # noqa: ARG001
    preset = sr4k.load_preset("live").updated("engine", name="nearest")
    target = sr4k.parse_target(str(tmp_path / "out.mkv"))
    job = sr4k.LiveJob(sr4k.parse_source("pattern://64x48@10"), (target,), preset=preset)
    frames: list[int] = [0]

    def watch(statuses: dict[str, sr4k.WorkerStatus]) -> None:
        seen(statuses)
        frames.extend(clock.frames for status in statuses.values() for clock in status.stages)

    assert job.run(on_status=watch, stop_requests=lambda: int(max(frames) > 0)).seconds > 0


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("run", [run_file, run_live])
def test_a_job_in_a_thread_of_a_program_leaves_what_is_the_programs(
    run: Callable[[MakeClip, Path, Callable[[object], None]], None], make_clip: MakeClip, tmp_path: Path
) -> None:
    before, meanwhile = belongings(), []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run, make_clip, tmp_path, lambda _: meanwhile.append(belongings())).result()
    assert meanwhile
    assert all(found == before for found in (*meanwhile, belongings()))
