"""``sr4k doctor``: shows what this machine can do."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sr4k.cli.one_line_errors import errors_in_one_line
from sr4k.doctor import Finding, Report, State, examine
from sr4k.errors import EngineError

_STYLES: dict[State, str] = {"ok": "green", "optional": "yellow", "problem": "bold red"}
_WIDTH = max(map(len, _STYLES))


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
        report = examine()
        if as_json:
            typer.echo(json.dumps(report.as_dict(), indent=2))
        else:
            console = Console(highlight=False, soft_wrap=True)
            for line in _lines(report):
                console.print(line)
            console.print(_conclusion(report))
        raise typer.Exit(0 if report.engine else EngineError.exit_code)


def _lines(report: Report) -> Iterator[Text]:
    for title, findings in report.sections.items():
        yield Text(title, style="bold")
        for (state, text, mend, word), alike in groupby(findings, _shared_text):
            names = [finding.name.removeprefix(word) for finding in alike]
            yield Text("  ").append(f"{state:{_WIDTH}}", _STYLES[state]).append(f"  {word}{', '.join(names)}: {text}")
            if mend is not None:
                yield Text(f"  {'':{_WIDTH}}  to fix it: {mend}")


def _conclusion(report: Report) -> Text:
    """Say whether this machine can upscale, and how many problems there are."""
    ready = (
        f"Ready: {report.engine} will upscale videos."
        if report.engine
        else "This machine has no engine that can upscale."
    )
    count = len(report.problems)
    broken = f" {count} problem{'s' if count != 1 else ''} listed above." if count else " No problems found."
    return Text(ready + broken, style="bold")


def _shared_text(finding: Finding) -> tuple[State, str, str | None, str]:
    """Return the key by which adjacent findings share a line: all but the last word of their names."""
    word, space, _ = finding.name.rpartition(" ")
    return finding.state, finding.told, finding.mend, word + space
