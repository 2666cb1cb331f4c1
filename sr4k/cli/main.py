"""``sr4k``: the group of all commands."""

import typer

from sr4k.cli.bench import bench
from sr4k.cli.command_kinds import Command, Group, InAndOut
from sr4k.cli.doctor import doctor
from sr4k.cli.engine import app as engine_app
from sr4k.cli.evaluation import compare, evaluate, models
from sr4k.cli.model import app as model_app
from sr4k.cli.probe import probe
from sr4k.cli.sample import sample
from sr4k.cli.serve import serve
from sr4k.cli.stream import stream
from sr4k.cli.training import quantize, train
from sr4k.cli.version import Version


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
app.add_typer(model_app, name="model")
