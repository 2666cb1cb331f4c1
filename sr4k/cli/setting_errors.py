"""Makes errors about settings name the option that was typed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sr4k.common.setting_words import ONE_OF
from sr4k.common.yaml_file import SettingError
from sr4k.errors import FieldError, OptionError

_OPTIONS = {
    "engine.name": "--engine",
    "engine.model": "--model",
    "engine.device": "--device",
    "engine.precision": "--precision",
    "engine.pixels": "--pixels",
    "engine.threads": "--threads",
    "engine.reuse_threshold": "--reuse-threshold",
    "graph.mode": "--workers",
    "graph.lanes": "--lanes",
    "graph.devices": "--devices",
    "encode.codec": "--codec",
    "encode.encoder": "--encoder",
    "encode.crf": "--crf",
    "encode.bitrate": "--bitrate",
    "encode.preset": "--preset",
    "encode.options": "-e",
    "size": "--size",
    "scale": "--scale",
    "rate": "--rate",
    "part": "--preview",
    "resume": "--resume",
    "live.segments": "--segments",
}
"""Options, by the key of a preset or the field of a job that they set."""


@contextmanager
def errors_by_option() -> Iterator[None]:
    """Rewrite errors about keys of a preset or fields of a job, raised inside, to name the options.

    Raises:
        OptionError: an option has a value that it can't have.
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
        raise OptionError(f"{option} can't be {err.given}: {_after(err.reason)}.") from err


def _after(reason: str) -> str:
    """Return the reason as the second half of a sentence."""
    if reason.startswith(ONE_OF):
        return reason.replace(ONE_OF, "use")
    return f"it {reason}" if reason.startswith("must") else reason
