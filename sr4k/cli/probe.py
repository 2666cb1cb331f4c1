"""``sr4k probe``: shows what is in a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sr4k.cli.one_line_errors import errors_in_one_line, say
from sr4k.common.json_text import json_text
from sr4k.errors import InputError


def probe(
    files: Annotated[
        list[Path], typer.Argument(help="Videos, pictures or image sequences to examine.", metavar="FILE")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Show what is in a file: its streams, and how its frames are read."""
    with errors_in_one_line(verbose=verbose) as redaction:
        from sr4k.probing import in_words
        from sr4k.probing import probe as look_into

        if len(files) == 1:
            found = look_into(files[0])
            typer.echo(json_text(found.as_dict()) if as_json else in_words(found))
            return
        rows: list[dict[str, Any]] = []
        failures: list[InputError] = []
        for path in files:
            try:
                found = look_into(path)
            except InputError as err:
                failures.append(err)
                rows.append({"path": str(path), "error": str(err)})
                say(f"error: {redaction.text(str(err))}", err=True)
            else:
                rows.append(found.as_dict())
                if not as_json:
                    typer.echo(in_words(found))
        if as_json:
            typer.echo(json_text(rows))
        raise typer.Exit(failures[0].exit_code if failures else 0)
