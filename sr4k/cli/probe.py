"""``sr4k probe``: what is in a file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.outcome import told_in_one_line


def probe(
    files: Annotated[list[Path], typer.Argument(help="Videos.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show tracebacks.")] = False,
) -> None:
    """What is in a file: its streams, and how its pictures are read."""
    with told_in_one_line(verbose=verbose):
        from sr4k.probe import in_words
        from sr4k.probe import probe as look_into

        found = [look_into(path) for path in files]
        if as_json:
            told = [each.as_dict() for each in found]
            typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=2))
        else:
            typer.echo("\n".join(in_words(each) for each in found))
