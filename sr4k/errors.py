"""Errors of sr4k-stream, each with the exit code of the command line.

* Sr4kError                exit code  also is
  - OptionError                   2   ValueError
    - FieldError                  2   of a job's fields
  - InputError                    3   OSError
  - OutputError                   4   OSError
  - EngineError                   5   RuntimeError
  - WorkerError                   6   RuntimeError
  - MachineError                  7   OSError
  - StoppedError                130   (143 where SIGTERM asked for it)
* InternalError                  70: a bug in this package, never the user's fault; not an Sr4kError

Texts are for the user: what, where, what to do.
"""

import re
from collections.abc import Mapping

EXIT_WITH_LOSSES = 9
"""Exit code of a job that was done, but whose source was damaged."""


class Sr4kError(Exception):
    """Something the user can act on."""

    exit_code = 1


class OptionError(Sr4kError, ValueError):
    """An option, a preset or a combination of them that can't be."""

    exit_code = 2


class FieldError(OptionError):
    """Fields of a job that can't be what they are, or not together.

    Args:
        text: what can't be, with ``{field}`` for the name of a field, and ``{0}`` for the first of the values.
        values: to be told, which may be any text.
    """

    def __init__(self, text: str, *values: object) -> None:
        self._text, self._values = text, values
        super().__init__(self.told({}))

    def told(self, names: Mapping[str, str]) -> str:
        """The text with other names for fields, such as those of a command line's options."""

        def name(match: re.Match[str]) -> str:
            field = match[1]
            return str(self._values[int(field)]) if field.isdecimal() else names.get(field, field)

        return re.sub(r"\{([\w.]+)\}", name, self._text)

    def __reduce__(self) -> tuple[type["FieldError"], tuple[object, ...]]:
        return FieldError, (self._text, *self._values)


class InputError(Sr4kError, OSError):
    """The input is missing, is not what it should be, or broke."""

    exit_code = 3


class OutputError(Sr4kError, OSError):
    """The output can't be written as asked."""

    exit_code = 4


class EngineError(Sr4kError, RuntimeError):
    """The network can't be run: a missing backend, or one that failed."""

    exit_code = 5


class WorkerError(Sr4kError, RuntimeError):
    """A process of the graph died."""

    exit_code = 6


class MachineError(Sr4kError, OSError):
    """The machine has too little of something: memory, files that may be open, processes."""

    exit_code = 7


class StoppedError(Sr4kError):
    """Ended early, as was asked for, when nothing could be left that can be played."""

    exit_code = 130


class InternalError(Exception):
    """A bug in this package."""

    exit_code = 70
