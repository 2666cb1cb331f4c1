"""Remove stream keys, passwords and tokens from log records, messages and process titles."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from setproctitle import setproctitle

from sr4k.live.address import Address, shown

_HIDDEN = "***"

_TEXTS = ("msg", "message", "exc_text", "stack_info", "reason")
"""Attributes of a log record that hold prose. Names of channels, loggers and threads are left as they are."""

_WORD = re.compile(r"[a-z]{,11}|[0-9]*|.{,7}")
"""Matches secrets that may occur in prose by chance: streams are often called ``live`` or ``cam1``."""

_MARKS = "/?&=:@#"
"""Delimiters in a URL."""


_WITH_USER = re.compile(r"\b(?!pattern:)([A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^\s'\"]*@[^\s'\",]*")


def without_passwords(text: str) -> str:
    """Return the text with each address that has a user or password reduced to its scheme: ``rtsp://***``."""
    return _WITH_USER.sub(r"\1***", text)


class Redaction(logging.Filter):
    """Removes the secrets of addresses from texts; as the filter of a log handler, from all of its records.

    A secret that could be an ordinary word is removed only where it follows the same text as in its address. Any thread
    may use it.
    """

    def __init__(self, *addresses: Address) -> None:
        super().__init__()
        self._learning = threading.Lock()
        self._shown: dict[str, str] = {}
        self._rules: dict[str, int] = {}  # regular expressions, and the length of what they match
        self._pattern: re.Pattern[str] | None = None
        self.hide(*addresses)

    def hide(self, *addresses: Address) -> None:
        """Hide the secrets of more addresses."""
        with self._learning:
            for address in addresses:
                for secret in address.secrets:
                    # A whole URL is replaced by its shown form, so that a line still names its stream.
                    whole = secret in (address.url, unquote(address.url))
                    if not whole and _WORD.fullmatch(secret):
                        self._rules |= dict.fromkeys(_in_place(secret, address.url), len(secret))
                        continue
                    for form in {secret, quote(secret, safe=""), secret.encode("unicode_escape").decode()}:
                        self._shown[form] = address.shown if whole else _HIDDEN
                        self._rules[re.escape(form)] = len(form)
            self._compile()

    def hide_typed(self, arguments: Iterable[str]) -> None:
        """Hide secrets in arguments of the command line that look like URLs, even where a path was expected."""
        with self._learning:
            for text in filter(_is_secret, (value for argument in arguments for value in _values(argument))):
                path = str(Path(text))  # which merges slashes
                for form in {text, path, repr(text)[1:-1], repr(path)[1:-1]}:
                    self._shown[form] = shown(text)
                    self._rules[re.escape(form)] = len(form)
            self._compile()

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._shown.get(found[0], _HIDDEN), text)

    def _compile(self) -> None:
        longest_first = sorted(self._rules, key=self._rules.__getitem__, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if longest_first else None

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove secrets from the record's message, exception and other attributes; always True."""
        try:
            record.msg = record.getMessage()
        except Exception:  # the arguments don't fit the message: keep the record all the same
            record.msg = f"{record.msg} {record.args}"
        record.args = None
        if record.exc_info:
            if record.exc_info[0] is not None and not record.exc_text:
                record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_info = None  # or a formatter would format the exception again
        for key, value in vars(record).items():
            if isinstance(value, str) and (key in _TEXTS or "://" in value):
                setattr(record, key, self.text(value))
        return True


def hide_command_line() -> None:
    """Set the process title so that ``ps`` shows the addresses in the command line without secrets."""
    program, *arguments = sys.argv
    hidden = [_argument(argument) for argument in arguments]
    if hidden != arguments:
        setproctitle(" ".join([Path(program).name, *hidden]))


def _argument(text: str) -> str:
    value = _values(text)[-1]
    return text.removesuffix(value) + shown(value) if value else text


def _values(argument: str) -> tuple[str, ...]:
    """Return an argument, and the option value in it, if any: ``--config=VALUE``, ``-cVALUE``, ``-c=VALUE``."""
    _, equals, value = argument.partition("=")
    if argument.startswith("--"):
        return (argument, value) if equals else (argument,)
    if argument.startswith("-"):
        return argument, argument[2:].removeprefix("=")
    return (argument,)


def _is_secret(text: str) -> bool:
    return bool(text.partition("//")[2].strip("/")) and shown(text) != text


def _in_place(secret: str, url: str) -> Iterator[str]:
    """Yield regular expressions that match a secret only after the text that precedes it in the URL."""
    for found in re.finditer(rf"(?<![^{_MARKS}]){re.escape(secret)}(?![^{_MARKS}])", url):
        before = re.search(rf"[^{_MARKS}]*[{_MARKS}]+$", url[: found.start()])
        if before is not None:
            yield rf"(?<={re.escape(before[0])}){re.escape(secret)}(?!\w)"
