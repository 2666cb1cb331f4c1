"""Options of ``sr4k-stream`` that are for live streams alone."""

from dataclasses import dataclass
from pathlib import Path

from sr4k.common.logs import LogFormat
from sr4k.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """Options that are for live streams alone, as they were typed."""

    sound: bool
    slate: Path | None
    segments: str | None
    metrics: str | None
    log_format: LogFormat

    def refuse_for_files(self) -> None:
        """Refuse options of live streams for files.

        Raises:
            OptionError: one of them was given.
        """
        given = self.metrics, self.slate, self.segments
        if any(value is not None for value in given) or self.log_format != "text" or not self.sound:
            raise OptionError(
                "--metrics, --log-format, --slate, --segments and --no-sound are for live streams: leave them out, or "
                "add --realtime to play the file as one."
            )
