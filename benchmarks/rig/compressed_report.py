"""Report what `rig.compressed` measured, as a page and as a plot: each upscaler's gain over lanczos."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rig.compressed import LANCZOS, MEASURES, Row
from sr4k.common.plotting import new_figure

_DIGITS = {"PSNR": 2, "XPSNR": 2, "VMAF": 1, "VMAF-NEG": 1}
_CELL = ("clip", "scaler", "codec", "crf")


def gains(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of all upscalers but lanczos, each measure minus that of lanczos in the same cell."""
    base = {_cell(row): row for row in rows if row["upscaler"] == LANCZOS}
    return [
        row | {name: row[name] - base[_cell(row)][name] for name in MEASURES if name in row}
        for row in rows
        if row["upscaler"] != LANCZOS and _cell(row) in base
    ]


def as_markdown(rows: Sequence[Row], command: str, covers: str) -> str:
    """Return tables for both kinds of ground truth: by CRF, clip, encoder and scaler."""
    lines = ["# Upscaling of compressed video\n", f"`{command}`\n", covers + "\n"]
    for compressed, title in (
        (False, "Uncompressed or halved ground truth"),
        (True, "Compressed ground truth"),
    ):
        kind = [row for row in rows if row["compressed"] == compressed]
        if kind:
            lines += [f"## {title}\n", *_means(kind, "crf", "CRF"), *_worst(kind)]
            for key, head in (("clip", "clip"), ("codec", "encoder"), ("scaler", "downscaled by")):
                lines += _means(kind, key, head)
    return "\n".join(lines).rstrip() + "\n"


def plot(rows: Sequence[Row], target: Path) -> None:
    """Plot the mean gain by CRF; with compressed ground truth only if there is no other. Needs matplotlib."""
    found = gains(rows)
    found = [row for row in found if not row["compressed"]] or found
    figure = new_figure(3.4 * len(MEASURES), 3.2)
    for axes, measure in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        for name in _names(found):
            points = _by(found, "crf", name, measure)
            axes.plot(list(points), list(points.values()), marker="o", label=name)
        axes.axhline(0, color="gray", linewidth=1)
        axes.set(title=f"{measure}: gain over lanczos", xlabel="CRF", xticks=sorted({row["crf"] for row in found}))
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(target, dpi=100)


def _means(rows: Sequence[Row], key: str, head: str) -> Iterator[str]:
    found = gains(rows)
    names = _names(found)
    measures = [measure for measure in MEASURES if any(measure in row for row in rows)]
    yield f"| {head} | cells | " + " | ".join(f"lanczos {m} | " + " | ".join(names) for m in measures) + " |"
    yield "|---|---|" + "---|" * (len(measures) * (1 + len(names)))
    for value in [*dict.fromkeys(row[key] for row in rows), None]:
        some, base = (
            [r for r in those if value is None or r[key] == value]
            for those in (found, [r for r in rows if r["upscaler"] == LANCZOS])
        )
        cells = []
        for measure in measures:
            digits = _DIGITS[measure]
            cells.append(f"{statistics.mean(row[measure] for row in base):.{digits}f}")
            cells += [f"{_mean(some, name, measure):+.{digits}f}" for name in names]
        yield f"| {'**all**' if value is None else value} | {len(base)} | " + " | ".join(cells) + " |"
    yield ""


def _worst(rows: Sequence[Row]) -> Iterator[str]:
    found = gains(rows)
    yield "| worst cell of | PSNR | VMAF-NEG |"
    yield "|---|---|---|"
    for name in _names(found):
        cells = []
        for measure in ("PSNR", "VMAF-NEG"):
            own = [row for row in found if row["upscaler"] == name and measure in row]
            least = min(own, key=lambda row: row[measure], default=None)
            cells.append(_in_words(least, measure) if least else "")
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield ""


def _in_words(row: Row, measure: str) -> str:
    where = ", ".join(str(row[key]) for key in _CELL[:3])
    return f"{row[measure]:+.2f} ({where}, CRF {row['crf']})"


def _by(found: Sequence[Row], key: str, name: str, measure: str) -> dict[Any, float]:
    return {
        value: _mean([row for row in found if row[key] == value], name, measure)
        for value in sorted({row[key] for row in found})
    }


def _mean(found: Sequence[Row], name: str, measure: str) -> float:
    values = [row[measure] for row in found if row["upscaler"] == name and measure in row]
    return statistics.mean(values) if values else float("nan")


def _names(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["upscaler"] for row in found))


def _cell(row: Row) -> tuple[Any, ...]:
    return tuple(row[key] for key in _CELL)
