"""Options of ``sr4k-stream`` that files and live streams share."""

from dataclasses import dataclass

from sr4k.media.options import ResultSize
from sr4k.service.redaction import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedOptions:
    """What is to come out, and what is to be said of it.

    Attributes:
        size: size of the results; ``None``: twice the source's.
        as_json: whether to print a summary as JSON.
        quiet: whether to print neither progress nor a summary.
        verbose: whether to log details.
        redaction: keeps the secrets of addresses out of everything that is printed or logged.
    """

    size: ResultSize
    as_json: bool
    quiet: bool
    verbose: bool
    redaction: Redaction
