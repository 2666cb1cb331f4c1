"""sr4k-stream: a real-time 1080p to 4K video upscaler.

>>> from sr4k import Job
>>> summary = Job("in.mp4", "out.mp4", size="4k").run()  # doctest: +SKIP
>>> from sr4k import Upscaler
>>> large = Upscaler()(picture)  # (H, W, 3) uint8 -> (2H, 2W, 3)  # doctest: +SKIP

The names that this package exports are its public interface; all modules below it are private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sr4k.common.yaml_file import SettingError
    from sr4k.configs import Preset, load_preset
    from sr4k.errors import (
        DamageError,
        EngineError,
        FieldError,
        InputError,
        InternalError,
        MachineError,
        NoMachineError,
        OptionError,
        OutputError,
        Sr4kError,
        StoppedError,
        WorkerError,
    )
    from sr4k.jobs.file_job import Job
    from sr4k.jobs.file_progress import Progress
    from sr4k.jobs.live_job import LiveJob
    from sr4k.jobs.live_progress import LiveProgress, TargetProgress
    from sr4k.jobs.running import RunningJob
    from sr4k.jobs.summary import JobLosses, LiveSummary, ProcessWork, StageWork, Summary
    from sr4k.live.address import Address, AddressError, parse_source, parse_target
    from sr4k.live.channel_reports import IntakeReport, PlayoutReport, TargetReport
    from sr4k.media.options import Box, Scale, TimeSpan, VideoChoice
    from sr4k.media.reports import EngineReport, SourceReport, VideoReport
    from sr4k.media.writing.pipe_writer import ReaderGoneError
    from sr4k.media.writing.write_errors import FullDiskError
    from sr4k.memory.upscaler import Upscaler
    from sr4k.pipeline import WorkerStatus
    from sr4k.probing import Probe, probe

    __version__: str

__all__ = [
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

_HOMES = {
    "sr4k.common.yaml_file": ("SettingError",),
    "sr4k.configs": ("Preset", "load_preset"),
    "sr4k.errors": (
        "DamageError",
        "EngineError",
        "FieldError",
        "InputError",
        "InternalError",
        "MachineError",
        "NoMachineError",
        "OptionError",
        "OutputError",
        "Sr4kError",
        "StoppedError",
        "WorkerError",
    ),
    "sr4k.jobs.fast_enough": ("fast_enough",),
    "sr4k.jobs.file_job": ("Job",),
    "sr4k.jobs.live_job": ("LiveJob",),
    "sr4k.jobs.live_progress": ("LiveProgress", "TargetProgress"),
    "sr4k.jobs.file_progress": ("Progress",),
    "sr4k.jobs.running": ("RunningJob",),
    "sr4k.jobs.summary": ("JobLosses", "LiveSummary", "ProcessWork", "StageWork", "Summary"),
    "sr4k.live.address": ("Address", "AddressError", "parse_source", "parse_target"),
    "sr4k.live.channel_reports": ("IntakeReport", "PlayoutReport", "TargetReport"),
    "sr4k.media.options": ("Box", "Scale", "TimeSpan", "VideoChoice"),
    "sr4k.memory.upscaler": ("Upscaler",),
    "sr4k.media.reports": ("EngineReport", "SourceReport", "VideoReport"),
    "sr4k.media.writing.pipe_writer": ("ReaderGoneError",),
    "sr4k.media.writing.write_errors": ("FullDiskError",),
    "sr4k.pipeline": ("WorkerStatus",),
    "sr4k.probing": ("Probe", "probe"),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import public names on first use: worker processes import this package as well, and need none of them."""
    if name == "__version__":
        from importlib.metadata import version

        return version("sr4k-stream")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
