"""Hides stream keys, passwords and comments in the text of a file of channels, and puts them back.

A comment may hold anything, such as the key of a channel in somebody's words, so all of them are hidden.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import yaml

from sr4k.errors import OptionError
from sr4k.live.address import Address, AddressError, parse_source, parse_target, shown

_VARIABLE = re.compile(r"\$\{\w+\}")
_STAND_IN = "variable-0"
"""What takes the place of variables, so that an address with some can be parsed."""

_OPEN = re.compile(rf"(?:{_STAND_IN}|[/&=?:@])*")
"""Parts of an address that hide nothing: they consist of variables, whose names may be seen."""

_WORD = re.compile(r"[^\s'\"#]+")
_COMMENT = re.compile(r"(#[ \t]*)([^\r\n\x85\u2028\u2029]*\w[^\r\n\x85\u2028\u2029]*)")
"""Matches a comment that says something, between two tokens of YAML."""

_BLOCK = re.compile(r"[|>].*")
"""Matches the first line of a block scalar, which may end in a comment."""

_PLACEHOLDER = re.compile(r"\*\*\*\d+")


@dataclass(frozen=True)
class Hidden:
    """A text whose secrets are hidden.

    Attributes:
        text: with a placeholder for each address with a secret, such as ``rtmp://host/app/***1``, and for the words of
            each comment, such as ``***2``.
        values: the address, and how the file writes it, by placeholder.
        comments: the words, by placeholder. They are put back into comments alone, never where they are understood.
    """

    text: str
    values: Mapping[str, tuple[str, str]] = field(repr=False)
    comments: Mapping[str, str] = field(repr=False)


def hidden(text: str, redact: Callable[[str], str]) -> Hidden:
    """Hide the secrets in the values of a valid YAML file, and its comments.

    A key belongs to its address: whoever changes that, such as its host, can't send the key there.

    Args:
        text: of the file.
        redact: removes known secrets from a text, wherever they are.

    Raises:
        OptionError: it has a directive, which may hold anything.
    """
    if any(isinstance(token, yaml.DirectiveToken) for token in yaml.scan(text, yaml.SafeLoader)):
        raise OptionError("A file with a line that begins with % can't be shown without its keys: edit it by hand.")
    values: dict[str, tuple[str, str]] = {}
    comments: dict[str, str] = {}

    def number() -> str:
        return f"***{len(values) + len(comments) + 1}"

    def of_value(value: str, raw: str) -> str:
        if not _has_secret(value) and redact(value) == value:
            return raw
        head, _, tail = (shown(value) if _has_secret(value) else redact(value)).rpartition("***")
        made = f"{head}{number()}{tail}"
        values[made] = value, raw
        quote = raw[0] if raw[0] in "\"'" else '"' if made[0] == "*" else ""
        return f"{quote}{made}{quote}"

    def of_comment(mark: str, words: str) -> str:
        made = number()
        comments[made] = words
        return f"{mark}{made}"

    return Hidden(_rewritten(text, of_value, of_comment), values, comments)


def revealed(text: str, before: Hidden) -> str:
    """Put the secrets back into a text that was hidden by `hidden`, and may have been edited since.

    Raises:
        OptionError: an address was edited whose key is hidden.
    """

    def of_comment(mark: str, words: str) -> str:
        def put_back(found: re.Match[str]) -> str:
            if found[0] in before.values:  # somebody has made a comment of its line
                return before.values[found[0]][0]
            return _PLACEHOLDER.sub(lambda inner: before.comments.get(inner[0], inner[0]), found[0])

        return mark + _WORD.sub(put_back, words)

    def with_values(written: Callable[[tuple[str, str]], str]) -> str:
        def of_value(value: str, raw: str) -> str:
            if value in before.values:
                return written(before.values[value])
            if _PLACEHOLDER.search(value):
                raise OptionError(
                    f"The key of {_PLACEHOLDER.sub('***', value)} is hidden, and its address has changed: write the "
                    "whole address, or ${NAME} for its key."
                )
            return raw

        return _rewritten(text, of_value, of_comment)

    wanted = [before.values.get(value, (value, ""))[0] for _, _, value in _scalars(text)]
    as_before = with_values(lambda kept: kept[1])
    if [value for _, _, value in _scalars(as_before)] == wanted:
        return as_before
    return with_values(lambda kept: json.dumps(kept[0]))  # as where an address has come into brackets


def _rewritten(text: str, of_value: Callable[[str, str], str], of_comment: Callable[[str, str], str]) -> str:
    """Return the text with other keys and values, and other words in its comments."""

    def commented(part: str) -> str:
        return _COMMENT.sub(lambda found: of_comment(found[1], found[2]), part)

    parts, position = [], 0
    for start, end, value in _scalars(text):
        raw = text[start:end]
        parts.append(commented(text[position:start]))
        made = of_value(value, raw)
        is_kept_block = made == raw and _BLOCK.match(raw)
        parts.append(_BLOCK.sub(lambda first: commented(first[0]), raw, count=1) if is_kept_block else made)
        position = end
    return "".join([*parts, commented(text[position:])])


def _scalars(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and value of each key and value, in the order of the text; comments are outside of them."""
    found = []
    try:
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.ScalarToken):
                start, end = token.start_mark.index, token.end_mark.index
                found.append((start, start + len(text[start:end].rstrip()), token.value))
    except yaml.YAMLError:
        return []
    return found


def _has_secret(text: str) -> bool:
    if shown(text) == text:
        return False
    address = _parsed(_VARIABLE.sub(_STAND_IN, text))
    if address is None:
        return True
    return not all(secret == address.url or _OPEN.fullmatch(secret) for secret in address.secrets)


def _parsed(text: str) -> Address | None:
    for parse in (parse_source, parse_target):
        try:
            return parse(text)
        except AddressError:
            continue
    return None
