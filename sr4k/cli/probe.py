"""``sr4k probe``: shows what is in a file."""

from typing import Annotated, Any

import typer

from sr4k.cli.one_line_errors import errors_in_one_line, say
from sr4k.common.json_text import json_text
from sr4k.errors import InputError, OptionError, Sr4kError


def probe(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Videos, pictures or image sequences to examine; s3:// or http(s):// addresses of files.",
            metavar="FILE",
        ),
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
        redaction.hide_typed(files)
        rows: list[dict[str, Any]] = []
        failures: list[Sr4kError] = []
        for path in files:
            try:
                found = look_into(path)
            except (InputError, OptionError) as err:
                failures.append(err)
                rows.append({"path": redaction.text(path), "error": redaction.text(str(err))})
                say(f"error: {redaction.text(str(err))}", err=True)
            else:
                rows.append(found.as_dict())
                if not as_json:
                    typer.echo(in_words(found))
        if as_json:
            typer.echo(json_text(rows))
        raise typer.Exit(failures[0].exit_code if failures else 0)
