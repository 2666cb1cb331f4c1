"""What must be seen nowhere: stream keys, passwords and tokens, kept out of log records and process titles."""

import logging
import re
import traceback
from collections.abc import Sequence
from urllib.parse import quote, unquote

from setproctitle import setproctitle

from sr4k.live.address import Address

_HIDDEN = "***"


class Redaction(logging.Filter):
    """Takes the secrets of addresses out of texts; attached to a handler, out of all that it is given."""

    def __init__(self, *addresses: Address) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.hide(*addresses)

    def hide(self, *addresses: Address) -> None:
        """Hide the secrets of these as well."""
        for address in addresses:
            for secret in address.secrets:
                # Whole URLs become what may be shown of them, so that a line still tells which stream it is about.
                whole = secret in (address.url, unquote(address.url))
                for form in {secret, quote(secret, safe=""), secret.encode("unicode_escape").decode()}:
                    self._shown[form] = address.shown if whole else _HIDDEN
        longest_first = sorted(self._shown, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._shown[found[0]], text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets in its message, its exception, or whatever else it bears."""
        try:
            record.msg = record.getMessage()
        except Exception:  # arguments that do not fit: no reason to lose the record, or a thread
            record.msg = f"{record.msg} {record.args}"
        record.args = None
        if record.exc_info:
            if record.exc_info[0] is not None and not record.exc_text:
                record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_info = None  # a formatter would make the text anew
        for key, value in vars(record).items():
            if isinstance(value, str):
                setattr(record, key, self.text(value))
        return True


def hide_command_line(shown: Sequence[str]) -> None:
    """Let ``ps`` show this instead of what the process was called with."""
    setproctitle(" ".join(shown))
