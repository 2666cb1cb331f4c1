"""The kinds of commands: what they do otherwise than Typer's."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sr4k.service.redaction import Redaction

_IN_PLAIN_WORDS = {
    r"\bValue error, ": "",
    r"Input should be a valid integer\b.*": "it must be a whole number",
    r"Input should be a valid number\b.*": "it must be a number",
    r"Input should be greater than or equal to ": "it must be at least ",
    r"Input should be less than or equal to ": "it must be at most ",
    r"Input should be ": "it must be ",
}
"""Patterns of the validator's words, and what takes their place."""


@contextmanager
def _without_secrets(args: list[str]) -> Iterator[None]:
    """Redact the secrets of addresses in usage errors raised inside, and put the validator's words into plain ones."""
    redaction = Redaction()
    redaction.hide_typed(list(args))
    try:
        yield
    except Exception as err:
        if "message" in vars(err):  # all usage errors have one; their class has no public name
            message = str(vars(err)["message"])
            for pattern, words in _IN_PLAIN_WORDS.items():
                message = re.sub(pattern, words, message)
            vars(err)["message"] = redaction.text(message)
        raise


class Command(TyperCommand):
    """A command whose usage errors repeat no secret. Its help is wrapped to the terminal, paragraph by paragraph."""

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        joined = None if help is None else re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(help))
        super().__init__(*args, help=joined, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _without_secrets(args):
            return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A group of commands whose usage errors repeat no secret."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _without_secrets(args):
            return super().resolve_command(ctx, args)


class InAndOut(Command):
    """A command with several IN and one OUT. The parser takes a single name for OUT and misses IN: correct that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as err:
            named: dict[str | None, Any] = {param.name: param for param in self.params}
            if err.param is named["sources"] and self.make_parser(ctx).parse_args(given)[0].get("target"):
                err.param = named["target"]
            raise
