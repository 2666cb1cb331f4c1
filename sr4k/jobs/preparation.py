"""What worker processes are told before they begin. Each of them imports this module, so it is light."""

from dataclasses import dataclass

from sr4k.common.logs import LogWire
from sr4k.common.option_names import name_for_command


@dataclass(frozen=True, slots=True)
class Preparation:
    """What worker processes share with the process that starts them; they call it first.

    Attributes:
        wire: sends their log records to it.
        is_command: whether messages name options as those of the command.
    """

    wire: LogWire
    is_command: bool

    def __call__(self) -> None:
        self.wire()
        if self.is_command:
            name_for_command()
