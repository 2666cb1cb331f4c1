"""``sr4k doctor``: shows what this machine can do."""

from typing import Annotated

import typer

from sr4k.cli.one_line_errors import errors_in_one_line
from sr4k.common.json_text import json_text
from sr4k.errors import EngineError


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Show what this machine can do: engines, GPUs, codecs, protocols.

    Each line is ok (it works), optional (it is missing, and nothing that works here needs it) or problem (it is broken,
    and the next line says how to fix it).

    Exit codes: 0 this machine can upscale, 5 it can't.
    """
    with errors_in_one_line(verbose=verbose):
        from rich.console import Console

        from sr4k.cli.doctor_lines import conclusion, lines
        from sr4k.doctor import examine

        report = examine()
        if as_json:
            typer.echo(json_text(report.as_dict()))
        else:
            console = Console(highlight=False, soft_wrap=True)
            for line in lines(report):
                console.print(line)
            console.print(conclusion(report))
        raise typer.Exit(0 if report.engine else EngineError.exit_code)
