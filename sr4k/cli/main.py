"""The commands: ``sr4k`` is the group of all of them, ``sr4k-stream`` is ``sr4k stream`` by itself."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sr4k.cli.bench import bench
from sr4k.cli.doctor import doctor
from sr4k.cli.engine import app as engine_app
from sr4k.cli.evaluation import compare, evaluate, models
from sr4k.cli.probe import probe
from sr4k.cli.sample import sample
from sr4k.cli.serve import serve
from sr4k.cli.stream import stream
from sr4k.cli.training import quantize, train
from sr4k.cli.version import Version
from sr4k.service.redaction import Redaction


@contextmanager
def _without_secrets(args: list[str]) -> Iterator[None]:
    """Redact the secrets of addresses in the usage errors raised inside, and drop the validator's prefix."""
    redaction = Redaction()
    redaction.hide_typed(list(args))
    try:
        yield
    except Exception as err:
        if "message" in vars(err):  # all usage errors have one; their class has no public name
            vars(err)["message"] = redaction.text(str(vars(err)["message"]).removeprefix("Value error, "))
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


def tools(version: Version = False) -> None:
    """Upscale videos and live streams to twice their size with an int8 neural network."""


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.callback()(tools)
app.command(no_args_is_help=True, cls=InAndOut)(stream)
app.command(no_args_is_help=True, cls=Command)(probe)
app.command(no_args_is_help=True, cls=Command)(sample)
app.command(no_args_is_help=True, cls=Command)(serve)
app.command(cls=Command)(doctor)
app.command(no_args_is_help=True, cls=Command)(train)
app.command(no_args_is_help=True, cls=Command)(quantize)
app.command("eval", no_args_is_help=True, cls=Command)(evaluate)
app.command(no_args_is_help=True, cls=Command)(compare)
app.command(cls=Command)(models)
app.command(cls=Command)(bench)
app.add_typer(engine_app, name="engine")

stream_app = typer.Typer(pretty_exceptions_enable=False)
stream_app.command(no_args_is_help=True, cls=InAndOut)(stream)
