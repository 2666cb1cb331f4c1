"""Formats tables for stdout."""

from collections.abc import Sequence

from sr4k.common.printable import printable


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, with control characters escaped."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(line[k]) for line in [header, *rows]) for k in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )
