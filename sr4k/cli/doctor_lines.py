"""Describes what ``sr4k doctor`` found, in lines for people."""

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from sr4k.doctor import Finding, Report, State

_STYLES: dict[State, str] = {"ok": "green", "optional": "yellow", "problem": "bold red"}
_WIDTH = max(map(len, _STYLES))


def lines(report: Report) -> Iterator[Text]:
    """Yield the findings as lines for a terminal; those that differ in the last word of their names share one."""
    for title, findings in report.sections.items():
        yield Text(title, style="bold")
        for (state, text, mend, word), alike in groupby(findings, _shared_text):
            names = [finding.name.removeprefix(word) for finding in alike]
            yield Text("  ").append(f"{state:{_WIDTH}}", _STYLES[state]).append(f"  {word}{', '.join(names)}: {text}")
            if mend is not None:
                yield Text(f"  {'':{_WIDTH}}  to fix it: {mend}")


def conclusion(report: Report) -> Text:
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
