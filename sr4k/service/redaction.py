"""What must be seen nowhere: stream keys, passwords and tokens, kept out of log records and process titles."""

import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from setproctitle import setproctitle

from sr4k.live.address import Address, shown

_HIDDEN = "***"

_TEXTS = ("msg", "message", "exc_text", "stack_info", "reason")
"""Of a record: what was written for people. Names of channels, loggers and threads are words of their own."""

_WORD = re.compile(r"[a-z]{,11}|[0-9]*|.{,7}")
"""What a text may hold by chance: a stream is called ``live`` or ``cam1`` more often than not."""

_MARKS = "/?&=:@#"
"""Between the parts of a URL."""


_WITH_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^\s'\"]*@[^\s'\",]*")


def without_passwords(text: str) -> str:
    """The text, but of addresses with a user or a password in them no more than the scheme."""
    return _WITH_USER.sub(r"\1***", text)


class Redaction(logging.Filter):
    """Takes the secrets of addresses out of texts; attached to a handler, out of all that it is given.

    A secret that could be an ordinary word is hidden where it stands as it does in its address, with what comes before
    it there, and not wherever that word is used.
    """

    def __init__(self, *addresses: Address) -> None:
        super().__init__()
        self._shown: dict[str, str] = {}
        self._rules: dict[str, int] = {}  # regular expressions, and the length of what they look for
        self._pattern: re.Pattern[str] | None = None
        self.hide(*addresses)

    def hide(self, *addresses: Address) -> None:
        """Hide the secrets of these as well."""
        for address in addresses:
            for secret in address.secrets:
                # Whole URLs become what may be shown of them, so that a line still tells which stream it is about.
                whole = secret in (address.url, unquote(address.url))
                if not whole and _WORD.fullmatch(secret):
                    self._rules |= dict.fromkeys(_in_place(secret, address.url), len(secret))
                    continue
                for form in {secret, quote(secret, safe=""), secret.encode("unicode_escape").decode()}:
                    self._shown[form] = address.shown if whole else _HIDDEN
                    self._rules[re.escape(form)] = len(form)
        self._compile()

    def hide_typed(self, arguments: Iterable[str]) -> None:
        """Hide what of a command line is no address, but may be meant to be one, such as a path that is a URL."""
        for text in filter(_is_secret, (value for argument in arguments for value in _values(argument))):
            path = str(Path(text))  # as which it has fewer slashes
            for form in {text, path, repr(text)[1:-1], repr(path)[1:-1]}:
                self._shown[form] = shown(text)
                self._rules[re.escape(form)] = len(form)
        self._compile()

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._shown.get(found[0], _HIDDEN), text)

    def _compile(self) -> None:
        longest_first = sorted(self._rules, key=self._rules.__getitem__, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if longest_first else None

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
            if isinstance(value, str) and (key in _TEXTS or "://" in value):
                setattr(record, key, self.text(value))
        return True


def hide_command_line() -> None:
    """Let ``ps`` show no more of the addresses that this process was called with than may be shown."""
    program, *arguments = sys.argv
    told = [_argument(argument) for argument in arguments]
    if told != arguments:
        setproctitle(" ".join([Path(program).name, *told]))


def _argument(text: str) -> str:
    value = _values(text)[-1]
    return text.removesuffix(value) + shown(value) if value else text


def _values(argument: str) -> tuple[str, ...]:
    """An argument, and what in it is the value of an option: ``--config=VALUE``, ``-cVALUE``, ``-c=VALUE``."""
    _, equals, value = argument.partition("=")
    if argument.startswith("--"):
        return (argument, value) if equals else (argument,)
    if argument.startswith("-"):
        return argument, argument[2:].removeprefix("=")
    return (argument,)


def _is_secret(text: str) -> bool:
    return "//" in text and shown(text) != text


def _in_place(secret: str, url: str) -> Iterator[str]:
    """Expressions for a part of a URL where it comes after what it comes after there."""
    for found in re.finditer(rf"(?<![^{_MARKS}]){re.escape(secret)}(?![^{_MARKS}])", url):
        before = re.search(rf"[^{_MARKS}]*[{_MARKS}]+$", url[: found.start()])
        if before is not None:
            yield rf"(?<={re.escape(before[0])}){re.escape(secret)}(?!\w)"
