"""The commands: ``sr4k`` is the group of all tools, ``sr4k-stream`` its main job alone."""

import typer

from sr4k.cli.bench import bench
from sr4k.cli.doctor import doctor
from sr4k.cli.engine import app as engine_app
from sr4k.cli.evaluation import compare, evaluate, models
from sr4k.cli.probe import probe
from sr4k.cli.sample import sample
from sr4k.cli.serve import serve
from sr4k.cli.stream import stream
from sr4k.cli.training import quantize, train

app = typer.Typer(
    help="Upscale video to twice its size with an int8 neural network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(no_args_is_help=True)(stream)
app.command(no_args_is_help=True)(probe)
app.command(no_args_is_help=True)(sample)
app.command(no_args_is_help=True)(serve)
app.command()(doctor)
app.command(no_args_is_help=True)(train)
app.command(no_args_is_help=True)(quantize)
app.command("eval", no_args_is_help=True)(evaluate)
app.command(no_args_is_help=True)(compare)
app.command()(models)
app.command()(bench)
app.add_typer(engine_app, name="engine")

stream_app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
stream_app.command(no_args_is_help=True)(stream)
