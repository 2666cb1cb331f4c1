"""Errors of sr4k-stream, each with its exit code of the command line.

* Sr4kError                exit code  also is
  - OptionError                   2   ValueError
    - FieldError                  2   about fields of a job
  - InputError                    3   OSError
    - DamageError                 3   the first loss, where losses are fatal
  - OutputError                   4   OSError
  - EngineError                   5   RuntimeError
  - WorkerError                   6   RuntimeError
  - MachineError                  7   OSError
    - NoMachineError              7   a cluster of which no machine can be used
  - StoppedError                130   (143 if SIGTERM caused it)
* InternalError                  70: a bug in this package, never the user's fault; not an Sr4kError

Messages are for the user: what is wrong, where, and what to do.
"""

import re
import signal
from collections.abc import Mapping

EXIT_WITH_LOSSES = 9
"""Exit code of a job that finished although its source was damaged."""

READER_GONE = 128 + signal.SIGPIPE
"""Exit code where the reader of standard output has closed it: that of a program that ends by SIGPIPE."""


KEYWORDS = {
    "engine.name": "engine",
    "engine.model": "model",
    "engine.device": "device",
    "engine.precision": "precision",
    "engine.pixels": "pixels",
    "engine.threads": "threads",
    "engine.reuse": "reuse",
    "engine.reuse_threshold": "reuse_threshold",
    "engine.passes": "passes",
    "engine.sharpness": "sharpness",
    "engine.source_quality": "source_quality",
    "graph.mode": "workers",
    "graph.lanes": "lanes",
    "graph.devices": "devices",
    "encode.codec": "codec",
    "encode.encoder": "encoder",
    "encode.crf": "crf",
    "encode.bitrate": "bitrate",
    "encode.preset": "speed",
    "encode.options": "options",
    "live.segments": "segments",
    "size": "size",
    "scale": "scale",
    "fit": "fit",
    "rate": "rate",
    "part": "part",
    "resume": "resume",
    "overwrite": "overwrite",
    "format": "format",
}
"""Keywords of a job, by the key of a preset or the field that they set."""


class Sr4kError(Exception):
    """Base class of errors that the user can act on."""

    exit_code = 1


class OptionError(Sr4kError, ValueError):
    """An option, a preset or a combination of them is invalid."""

    exit_code = 2


class FieldError(OptionError):
    """Fields of a job are invalid, or contradict each other.

    Args:
        text: the message, with ``{field}`` for a field or the key of a preset, such as ``{encode.crf}``, and ``{0}``
            for the first of the values. It names fields and keys as the keywords of a job.
        values: to insert into the message; any text, which is not searched for placeholders.
    """

    def __init__(self, text: str, *values: object) -> None:
        self._text, self._values = text, values
        super().__init__(self.told(KEYWORDS))

    def told(self, names: Mapping[str, str]) -> str:
        """Return the message with other names for fields, such as those of command-line options."""

        def name(match: re.Match[str]) -> str:
            field = match[1]
            return str(self._values[int(field)]) if field.isdecimal() else names.get(field, field)

        return re.sub(r"\{([\w.]+)\}", name, self._text)

    def __reduce__(self) -> tuple[type["FieldError"], tuple[object, ...]]:
        return FieldError, (self._text, *self._values)


class InputError(Sr4kError, OSError):
    """The input is missing, can't be read or is not of the expected kind."""

    exit_code = 3


class DamageError(InputError):
    """The input is damaged, and losses are fatal."""


class OutputError(Sr4kError, OSError):
    """The output can't be written as asked."""

    exit_code = 4


class EngineError(Sr4kError, RuntimeError):
    """The network can't be run: its backend is missing or failed."""

    exit_code = 5


class WorkerError(Sr4kError, RuntimeError):
    """A worker process died."""

    exit_code = 6


class MachineError(Sr4kError, OSError):
    """The machine ran out of a resource: memory, open files or processes."""

    exit_code = 7


class NoMachineError(MachineError):
    """Every machine of a cluster was left out, for reasons that stay."""


class StoppedError(Sr4kError):
    """The job was stopped on request before there was anything playable to keep."""

    exit_code = 130


class InternalError(Exception):
    """A bug in this package."""

    exit_code = 70
