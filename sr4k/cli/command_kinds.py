"""The kinds of commands: what they do otherwise than Typer's."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sr4k.cli.one_line_errors import say
from sr4k.errors import OutputError
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
def _usage_errors_in_one_line(ctx: Any, args: list[str]) -> Iterator[None]:
    """Turn usage errors raised inside into one line on stderr, without the secrets of addresses.

    Errors of files that options read or write, such as the shell's for completion, are one line too.

    Raises:
        typer.Exit: there was one; with its exit code.
    """
    typed = list(args)
    try:
        yield
    except OSError as err:
        if err.filename is None:  # of a stream, such as a pipe whose reader has gone
            raise
        say(f"error: {err.filename} can't be read or written ({err.strerror}).", err=True)
        raise typer.Exit(OutputError.exit_code) from None
    except Exception as err:
        text = _in_plain_words(err).rstrip(".") if "message" in vars(err) else ""  # their class has no public name
        if not text:  # another error, or that which has shown the help
            raise
        redaction = Redaction()
        redaction.hide_typed(typed)
        say(redaction.text(f"error: {text}. See '{ctx.command_path} --help'."), err=True)
        raise typer.Exit(vars(err).get("exit_code", 2)) from None


def _in_plain_words(err: Any) -> str:
    for pattern, words in _IN_PLAIN_WORDS.items():
        err.message = re.sub(pattern, words, err.message)
    refused = getattr(err.__cause__, "errors", None)  # the validator's, whose package is slow to import
    if refused is not None and err.message.startswith("it must be "):
        err.message += f", not '{refused()[0]['input']}'"
    return str(err.format_message())


class Command(TyperCommand):
    """A command whose usage errors are one line each. Its help is wrapped to the terminal, paragraph by paragraph."""

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        joined = None if help is None else re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(help))
        super().__init__(*args, help=joined, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _usage_errors_in_one_line(ctx, args):
            return self.parsed(ctx, args)

    def parsed(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; usage errors are as Typer raises them."""
        return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A group of commands whose usage errors are one line each."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _usage_errors_in_one_line(ctx, args):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _usage_errors_in_one_line(ctx, args):
            return super().resolve_command(ctx, args)


class InAndOut(Command):
    """A command with several IN and one OUT. The parser takes a single name for OUT and misses IN: correct that."""

    def parsed(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parsed(ctx, args)
        except typer.BadParameter as err:
            named: dict[str | None, Any] = {param.name: param for param in self.params}
            if err.param is named["sources"] and self.make_parser(ctx).parse_args(given)[0].get("target"):
                err.param = named["target"]
            raise
