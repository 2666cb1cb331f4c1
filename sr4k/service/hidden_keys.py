"""Hides stream keys and passwords in the text of a file of channels, and puts them back where nothing has changed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
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
_ADDRESS = re.compile(r"[^:]*:/{1,2}.+")
_PLACEHOLDER = re.compile(r"\*\*\*\d+")


@dataclass(frozen=True)
class Hidden:
    """A text whose secrets are hidden.

    Attributes:
        text: with a placeholder, such as ``rtmp://host/app/***1``, for each address with a secret.
        values: the address, and how the file writes it, by placeholder.
    """

    text: str
    values: Mapping[str, tuple[str, str]] = field(repr=False)


def hidden(text: str, redact: Callable[[str], str]) -> Hidden:
    """Hide the secrets in the text of a valid YAML file, in values and in comments.

    A key belongs to its address: whoever changes that, such as its host, can't send the key there.

    Args:
        text: of the file.
        redact: removes known secrets from a text, wherever they are.
    """
    values: dict[str, tuple[str, str]] = {}

    def placeholder(value: str, raw: str) -> str:
        head, _, tail = (shown(value) if _has_secret(value) else redact(value)).rpartition("***")
        made = f"{head}***{len(values) + 1}{tail}"
        values[made] = value, raw
        return made

    def of_value(value: str, raw: str) -> str:
        if not _has_secret(value) and redact(value) == value:
            return raw
        made = placeholder(value, raw)
        quote = raw[0] if raw[0] in "\"'" else '"' if made[0] == "*" else ""
        return f"{quote}{made}{quote}"

    def of_comment(found: re.Match[str]) -> str:
        word = found[0]
        is_secret = (_ADDRESS.fullmatch(word) and _has_secret(word)) or redact(word) != word
        return placeholder(word, word) if is_secret else word

    return Hidden(_rewritten(text, of_value, of_comment), values)


def revealed(text: str, before: Hidden) -> str:
    """Put the secrets back into a text that was hidden by `hidden`, and may have been edited since.

    Raises:
        OptionError: an address was edited whose key is hidden.
    """

    def of_comment(found: re.Match[str]) -> str:
        return before.values.get(found[0], (found[0], ""))[0]

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


def _rewritten(text: str, of_value: Callable[[str, str], str], of_comment: Callable[[re.Match[str]], str]) -> str:
    parts, position = [], 0
    for start, end, value in _scalars(text):
        parts += [_WORD.sub(of_comment, text[position:start]), of_value(value, text[start:end])]
        position = end
    return "".join([*parts, _WORD.sub(of_comment, text[position:])])


def _scalars(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and value of each key and value, in the order of the text."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return []
    return sorted({(node.start_mark.index, node.end_mark.index, node.value) for node in _leaves(root)})


def _leaves(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        if node.end_mark.index > node.start_mark.index:
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _leaves(each)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for each in pair:
                yield from _leaves(each)


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
