"""Errors about settings in the words of the command line: they name the option that was typed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sr4k.common.yaml_file import SettingError
from sr4k.errors import FieldError, OptionError

_OPTIONS = {
    "engine.name": "--engine",
    "engine.model": "--model",
    "engine.precision": "--precision",
    "engine.pixels": "--pixels",
    "engine.threads": "--threads",
    "engine.reuse_threshold": "--reuse-threshold",
    "graph.mode": "--workers",
    "graph.lanes": "--lanes",
    "graph.devices": "--devices",
    "encode.codec": "--codec",
    "encode.crf": "--crf",
    "encode.bitrate": "--bitrate",
    "encode.preset": "--preset",
    "encode.options": "-e",
    "rate": "--rate",
    "part": "--preview",
    "resume": "--resume",
    "live.segments": "--segments",
}
"""The option for each key of a preset, and each field of a job, that has one."""


@contextmanager
def told_by_option() -> Iterator[None]:
    """Around what puts options into a preset or a job.

    Raises:
        OptionError: a value that the option can't have.
    """
    try:
        yield
    except FieldError as err:
        raise OptionError(err.told(_OPTIONS)) from err
    except SettingError as err:
        section, _, rest = err.key.partition(".")
        option = _OPTIONS.get(f"{section}.{rest.partition('.')[0]}")
        if option is None:
            raise OptionError(f"{err.reason[:1].upper()}{err.reason[1:]}.") from err
        told = _reason(err)
        raise OptionError(f"{option} can't be {err.given}: {told}.") from err


def _reason(err: SettingError) -> str:
    """What it can be: ``use auto, h264 or hevc``."""
    must = err.reason.partition(",")[0].replace("Input should be", "it must be")
    if err.allowed is None:
        return must
    allowed = err.allowed.replace("'", "")
    return f"use {allowed}" if "'" in must else f"{must}, or {allowed}"
