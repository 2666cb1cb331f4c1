"""``sr4k engine``: the engines that TensorRT built for this GPU."""

import logging
import time
from pathlib import Path
from typing import Annotated

import typer

from sr4k.bench import InputSize
from sr4k.cli.one_line_errors import log_handler, told_in_one_line
from sr4k.cli.table import table
from sr4k.engines.choose import candidates
from sr4k.jobs.parse import Size, parse_sides
from sr4k.models import zoo
from sr4k.models.architecture import Precision

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and print tracebacks of errors.")]

app = typer.Typer(
    help="Build the engines of TensorRT for this GPU ahead of time, list and clear them.", no_args_is_help=True
)


@app.command()
def build(
    size: Annotated[str, typer.Option(help=f"Size of the input: {', '.join(InputSize)}, or WIDTHxHEIGHT in pixels.")],
    model: Annotated[str, typer.Option(help="Network to build an engine of: sr4k models lists all.")] = zoo.DEFAULT,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Folder or checkpoint with weights of your own for the network. Default: those that are shipped."
        ),
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="Number format of the network; auto is int8 where the network has a calibration.")
    ] = "auto",
    verbose: Verbose = False,
) -> None:
    """Build an engine now, so that a first video of BT.709 and limited range need not wait for it."""
    with told_in_one_line(verbose=verbose):
        from sr4k.engines import EngineSpec, create_engine
        from sr4k.models.colour import Colour

        logging.basicConfig(level=logging.WARNING, handlers=[log_handler()])
        logging.getLogger("sr4k").setLevel(logging.DEBUG if verbose else logging.INFO)
        width, height = _pixels(size)
        began = time.monotonic()
        spec = EngineSpec(
            model=model,
            height=height,
            width=width,
            colour=Colour(),
            precision=precision,
            weights=weights and weights.absolute(),
        )
        with create_engine("tensorrt", spec) as engine:
            about = engine.describe()
        done = "was there" if about["kept"] else f"built in {time.monotonic() - began:.0f} s"
        typer.echo(f"{model} {width}x{height} {about['precision']} for {about['device']}: {done}")


@app.command("list")
def list_all(verbose: Verbose = False) -> None:
    """List the engines that have been built."""
    with told_in_one_line(verbose=verbose):
        from sr4k.engines.cache import EngineCache

        cache = EngineCache()
        header = ["model", "size", "precision", "GPU", "built by", "built at", "s", "MB"]
        rows = [
            [a.model, a.size, a.precision, a.gpu, a.library, a.created, f"{a.seconds:.0f}", f"{a.nbytes / 1e6:.1f}"]
            for a in cache.entries()
        ]
        typer.echo(table(header, rows) if rows else _none_in_words())
        typer.echo(f"in {cache.folder}", err=True)


@app.command()
def clear(verbose: Verbose = False) -> None:
    """Delete all engines that have been built."""
    with told_in_one_line(verbose=verbose):
        from sr4k.engines.cache import EngineCache

        cache = EngineCache()
        plans, nbytes = cache.clear()
        typer.echo(f"{plans} deleted, {nbytes / 1e6:.1f} MB, from {cache.folder}")


def _none_in_words() -> str:
    """Why nothing has been built."""
    tensorrt = next((each for each in candidates() if each.name == "tensorrt"), None)
    if tensorrt is None or tensorrt.usable:
        return "No engine has been built yet: sr4k engine build makes one."
    mend = f": {tensorrt.mend}" if tensorrt.mend else ""
    return f"No engine has been built, and none can be here: {tensorrt.reason}{mend}."


def _pixels(text: str) -> Size:
    return InputSize(text).pixels if text in {*InputSize} else parse_sides(text)
