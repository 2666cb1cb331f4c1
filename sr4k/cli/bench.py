"""``sr4k bench``: measures the frame throughput of this machine."""

import logging
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sr4k.bench import InputSize, Part
from sr4k.cli.one_line_errors import errors_in_one_line


def bench(
    part: Annotated[
        list[Part] | None,
        typer.Option(help="Part of the program to measure; may be given several times. Default: all parts."),
    ] = None,
    size: Annotated[
        list[InputSize] | None, typer.Option(help="Size of the input; may be given several times. Default: all sizes.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Network to measure; may be given several times. Only the part engine measures more than the first. "
            "Default: luma."
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=20, max=10_000, help="Number of frames in each clip.")] = 75,
    rounds: Annotated[
        int, typer.Option(min=1, help="Number of times each measurement is repeated; the median is reported.")
    ] = 3,
    config: Annotated[
        str, typer.Option("--config", "-c", help="Preset by name, or the path of a YAML file, as for sr4k-stream.")
    ] = "file",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write bench.json, bench.md and bench.png to (extra \\[eval]). Default: print only."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Measure how many frames per second this machine upscales, and how long each stage takes."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.bench.report import as_markdown, plot, store
        from sr4k.bench.suite import run_suite
        from sr4k.common.plotting import new_figure
        from sr4k.configs import load_preset
        from sr4k.jobs.model_choice import existing_model
        from sr4k.media.writing.made_folder import folder_made
        from sr4k.media.writing.target_file import check_folder
        from sr4k.models import zoo
        from sr4k.models.catalogue import DEFAULT

        models = [*dict.fromkeys(existing_model(name) for name in model or [DEFAULT])]
        for name in models:
            zoo.check_shipped(name, "sr4k eval --weights measures a checkpoint of it")
        if out is not None:
            check_folder(out, "bench.json")
            new_figure(1, 1)  # fail now if matplotlib is missing, not after minutes of measuring
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("sr4k.bench").setLevel(logging.INFO)
        with nullcontext() if out is None else folder_made(out):
            result = run_suite(
                load_preset(config),
                parts=part or Part,
                sizes=dict.fromkeys(size or InputSize),
                models=models,
                frames=frames,
                rounds=rounds,
            )
            page = as_markdown(result, shlex.join(["sr4k", *sys.argv[1:]]))
            typer.echo(page)
            if out is not None:
                store(out, "bench", result, page)
                plot(result, out / "bench.png")
