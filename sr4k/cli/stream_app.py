"""``sr4k-stream``: ``sr4k stream`` by itself, without importing the other commands."""

import typer

from sr4k.cli.command_kinds import InAndOut
from sr4k.cli.stream import stream

stream_app = typer.Typer(pretty_exceptions_enable=False)
stream_app.command(no_args_is_help=True, cls=InAndOut)(stream)
