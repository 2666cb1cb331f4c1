"""``sr4k doctor``: what this machine can do."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sr4k.cli.one_line_errors import told_in_one_line
from sr4k.doctor import Finding, Report, State, examine
from sr4k.errors import EngineError

_STYLES: dict[State, str] = {"ok": "green", "optional": "yellow", "problem": "bold red"}
_WIDTH = max(map(len, _STYLES))


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Show what this machine can do: engines, GPUs, codecs, protocols.

    ok: it works. optional: it is not there, and nothing above needs it. problem: it is broken; what mends it is said.

    Exit codes: 0 something here can upscale, 5 nothing can.
    """
    with told_in_one_line(verbose=verbose):
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
        for (state, told, mend, word), alike in groupby(findings, _what_is_told):
            names = [finding.name.removeprefix(word) for finding in alike]
            yield Text("  ").append(f"{state:{_WIDTH}}", _STYLES[state]).append(f"  {word}{', '.join(names)}: {told}")
            if mend is not None:
                yield Text(f"  {'':{_WIDTH}}  mend it: {mend}")


def _conclusion(report: Report) -> Text:
    """Whether it can be used, and whether anything has to be mended."""
    ready = f"Ready: videos are upscaled by {report.engine}." if report.engine else "Nothing here can upscale a video."
    count = len(report.problems)
    broken = f" {count} problem{'s' if count != 1 else ''} above." if count else " Nothing is broken."
    return Text(ready + broken, style="bold")


def _what_is_told(finding: Finding) -> tuple[State, str, str | None, str]:
    """What neighbours have in common that share a line: the first word of their names as well."""
    word, space, _ = finding.name.rpartition(" ")
    return finding.state, finding.told, finding.mend, word + space
