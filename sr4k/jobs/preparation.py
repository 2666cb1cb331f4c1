"""What worker processes are told before they begin. Each of them imports this module, so it is light."""

from dataclasses import dataclass

from sr4k.common.logs import LogWire
from sr4k.common.option_names import Reader, name_for


@dataclass(frozen=True, slots=True)
class Preparation:
    """What worker processes share with the process that starts them; they call it first.

    Attributes:
        wire: sends their log records to it.
        reader: whom messages name options for.
    """

    wire: LogWire
    reader: Reader

    def __call__(self) -> None:
        self.wire()
        name_for(self.reader)
