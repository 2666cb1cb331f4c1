"""``sr4k engine``: builds, lists and deletes TensorRT engines for this GPU."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sr4k.bench import InputSize
from sr4k.cli.command_kinds import Command, Group
from sr4k.cli.one_line_errors import errors_in_one_line, log_handler
from sr4k.cli.table import table
from sr4k.models.catalogue import DEFAULT

if TYPE_CHECKING:
    from sr4k.jobs.parse import Size

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and print tracebacks of errors.")]

app = typer.Typer(
    cls=Group,
    help="Build TensorRT engines for this GPU ahead of time, list them or delete them.",
    no_args_is_help=True,
)


@app.command(cls=Command)
def build(
    size: Annotated[str, typer.Option(help=f"Size of the input: {', '.join(InputSize)}, or WIDTHxHEIGHT in pixels.")],
    model: Annotated[str, typer.Option(help="Network to build an engine for; sr4k models lists all.")] = DEFAULT,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Folder or checkpoint with your own weights for the network. Default: the weights that are shipped."
        ),
    ] = None,
    precision: Annotated[
        Literal["auto", "int8", "fp16", "fp32"],
        typer.Option(help="Number format of the network; auto is int8 if the weights are calibrated for it."),
    ] = "auto",
    verbose: Verbose = False,
) -> None:
    """Build an engine now, so that the first video in BT.709 and limited range starts without delay."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.engines import EngineSpec
        from sr4k.engines.choose import engine_for
        from sr4k.jobs.model_choice import existing_model
        from sr4k.models.colour import Colour

        logging.basicConfig(level=logging.WARNING, handlers=[log_handler()])
        logging.getLogger("sr4k").setLevel(logging.DEBUG if verbose else logging.INFO)
        width, height = _pixels(size)
        began = time.monotonic()
        spec = EngineSpec(
            model=existing_model(model),
            height=height,
            width=width,
            colour=Colour(),
            precision=precision,
            weights=weights and weights.absolute(),
        )
        with engine_for("tensorrt", spec) as engine:
            about = engine.describe()
        done = "built earlier" if about["kept"] else f"built in {time.monotonic() - began:.0f} s"
        typer.echo(f"{model} {width}x{height} {about['precision']} for {about['device']}: {done}")


@app.command("list", cls=Command)
def list_all(verbose: Verbose = False) -> None:
    """List the engines that have been built."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.engines.cache import EngineCache

        cache = EngineCache()
        header = ["model", "size", "precision", "GPU", "built with", "built at", "build time, s", "MB"]
        rows = [
            [a.model, a.size, a.precision, a.gpu, a.library, a.created, f"{a.seconds:.0f}", f"{a.nbytes / 1e6:.1f}"]
            for a in cache.entries()
        ]
        typer.echo(table(header, rows) if rows else _reason_for_none())
        typer.echo(f"The engines are kept in {cache.folder}.", err=True)


@app.command(cls=Command)
def clear(verbose: Verbose = False) -> None:
    """Delete all engines that have been built."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.engines.cache import EngineCache

        cache = EngineCache()
        plans, nbytes = cache.clear()
        typer.echo(f"Deleted {plans} engine{'s' if plans != 1 else ''} ({nbytes / 1e6:.1f} MB) from {cache.folder}.")


def _reason_for_none() -> str:
    """Say why no engine has been built, and what to do."""
    from sr4k.engines.choose import candidates

    tensorrt = next((each for each in candidates() if each.name == "tensorrt"), None)
    if tensorrt is None or tensorrt.usable:
        return "No engine has been built yet: build one with sr4k engine build."
    fix = f". To fix it: {tensorrt.mend}" if tensorrt.mend else "."
    return f"No engine has been built, and none can be built here: {tensorrt.reason}{fix}"


def _pixels(text: str) -> "Size":
    from sr4k.jobs.parse import parse_sides

    return InputSize(text).pixels if text in {*InputSize} else parse_sides(text)
