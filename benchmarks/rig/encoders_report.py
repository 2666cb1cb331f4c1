"""Report what encoders cost and make, as a page and as a plot: CPU seconds against bits at equal quality."""

import math
from collections.abc import Iterator, Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np

from sr4k.bench.machine import in_words
from sr4k.common.plotting import new_figure

Row = dict[str, Any]
REFERENCE = "superfast"
"""The settings that others are compared with."""

MEASURES = ("PSNR", "VMAF", "VMAF-NEG")
_LEAST_SPAN = 0.3
"""Least range of a measure, in its units, of a curve that is read: where VMAF is at its end, it says nothing."""


def equal_quality(rows: Sequence[Row], reference: Sequence[Row], measure: str, of: str) -> float | None:
    """Return the ratio of two curves' bits (``mbit_s``) or CPU seconds (``cpu``) at equal quality.

    Both are taken as straight lines of the logarithm over the measure, and compared in the middle of their common
    range, or between the two ranges if they have none in common.

    Returns:
        The ratio; ``None``: a curve has less than two points, or says nothing because the measure is at its end.
    """
    lines, ranges = [], []
    for curve in (rows, reference):
        x, y = [row[measure] for row in curve], [math.log(_value(row, of)) for row in curve]
        if len(x) < 2 or max(x) - min(x) < _LEAST_SPAN:
            return None
        lines.append(np.polyfit(x, y, 1))
        ranges.append((min(x), max(x)))
    middle = (max(low for low, _ in ranges) + min(high for _, high in ranges)) / 2
    return float(np.exp(np.polyval(lines[0], middle) - np.polyval(lines[1], middle)))


def as_markdown(rows: Sequence[Row], command: str, about: dict[str, Any]) -> str:
    """Return the page: a section for each part that was measured."""
    loads = [row["load"] / about["cores_granted"] for row in rows]
    lines = [
        "# Encoders",
        "",
        f"`{command}`; {in_words(about)}",
        "",
        f"Load average meanwhile: {min(loads):.1f} to {max(loads):.1f} a core. CPU seconds are of all threads of the "
        "encoder, the least of several rounds in which all settings took turns. Ratios are to `superfast`, geometric "
        "means over the clips. PSNR is of the luma of all frames; VMAF of some frames in a row.",
    ]
    titles = {
        "whole": "Whole frames of 4K, the usual quality of each",
        "live": "Live: a constant bit rate, the middle of the frames, 1920x1080",
        "usual": "The usual quality of each, the middle of the frames, 1920x1080",
        "curves": "At equal quality, the middle of the frames, 1920x1080",
        "search": "The neighbourhood of the fast settings, the middle of the frames, 1920x1080",
    }
    for part, title in titles.items():
        found = [row for row in rows if row["part"] == part]
        if found:
            counts = sorted({row["frames"] for row in found})
            many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
            lines += ["", f"## {title}", "", f"{many} frames of each clip.", ""]
            lines += _SECTIONS[part](found)
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row], target: Any) -> None:
    """Plot CPU seconds over bits, both relative to the reference at equal PSNR. Needs matplotlib."""
    parts = [part for part in ("search", "curves") if any(row["part"] == part for row in rows)]
    if not parts:
        return
    figure = new_figure(8 * len(parts), 6.5)
    for axes, part in zip(np.atleast_1d(figure.subplots(1, len(parts))), parts, strict=True):
        for name, found in _ratios([row for row in rows if row["part"] == part]).items():
            if found["bits, PSNR"] and found["CPU"]:
                x, y = geometric_mean(found["bits, PSNR"]), geometric_mean(found["CPU"])
                axes.plot([x], [y], "o", color="tab:red" if "default" in name else "tab:blue")
                axes.annotate(name, (x, y), fontsize=7, xytext=(4, 3), textcoords="offset points")
        axes.axhline(1, color="gray", linewidth=0.7)
        axes.axvline(1, color="gray", linewidth=0.7)
        axes.set(title=part, xlabel="bits at equal PSNR, superfast = 1", ylabel="CPU seconds at equal PSNR")
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3, which="both")
    figure.savefig(target, dpi=80)


def _value(row: Row, of: str) -> float:
    return float(min(row["cpu_s_a_frame"]) if of == "cpu" else row[of])


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _ratios(rows: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """Return for each setting its ratios to the reference at equal quality, one for each clip that has them."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in _names(rows, "point"):
        columns: dict[str, list[float]] = {f"bits, {measure}": [] for measure in MEASURES} | {"CPU": []}
        for clip in _names(rows, "clip"):
            mine, other = ([r for r in rows if r["clip"] == clip and r["point"] == p] for p in (name, REFERENCE))
            for column, measure, of in (*((f"bits, {m}", m, "mbit_s") for m in MEASURES), ("CPU", "PSNR", "cpu")):
                ratio = equal_quality(mine, other, measure, of)
                if ratio is not None:
                    columns[column].append(ratio)
        found[name] = columns
    return found


def _equal(rows: Sequence[Row]) -> Iterator[str]:
    clips = _names(rows, "clip")
    heads = (
        "bits at equal PSNR",
        "of the clips",
        "at equal VMAF",
        "at equal VMAF-NEG",
        "CPU at equal PSNR",
        "of the clips",
    )
    yield f"| settings | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|"
    for name, found in _ratios(rows).items():
        psnr, cpu = found["bits, PSNR"], found["CPU"]
        yield (
            f"| {name} | {_mean(psnr)} | {_each(psnr)} | {_mean(found['bits, VMAF'], len(clips))} "
            f"| {_mean(found['bits, VMAF-NEG'], len(clips))} | {_mean(cpu)} | {_each(cpu)} |"
        )
    yield ""
    yield f"Clips: {', '.join(clips)}. VMAF: of the clips where it is not at its end, 100; their number in brackets."


def _search(rows: Sequence[Row]) -> Iterator[str]:
    lowest = min(row["crf"] for row in rows)
    yield f"All at CRF {lowest}; differences of the measures are to `{REFERENCE}`."
    yield ""
    yield from _summary([row for row in rows if row["crf"] == lowest])
    if any(len({r["crf"] for r in rows if r["point"] == name}) > 1 for name in _names(rows, "point")):
        yield ""
        yield "At equal quality:"
        yield ""
        yield from _equal(rows)


def _fixed(rows: Sequence[Row]) -> Iterator[str]:
    clips, by = _names(rows, "clip"), {(row["clip"], row["point"]): row for row in rows}
    yield "| settings | clip | Mbit/s | CPU ms/frame | PSNR | VMAF | VMAF-NEG |"
    yield "|---|---|---|---|---|---|---|"
    for name in _names(rows, "point"):
        some = [by[clip, name] for clip in clips if (clip, name) in by]
        for row in some:
            yield _line(name, row["clip"], row)
        keys = ("mbit_s", *MEASURES)
        means = {key: sum(row[key] for row in some) / len(some) for key in keys}
        yield _line(
            f"**{name}**", "**mean**", means | {"cpu_s_a_frame": [sum(_value(r, "cpu") for r in some) / len(some)]}
        )
    yield ""
    yield from _summary(rows)


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    clips, by = _names(rows, "clip"), {(row["clip"], row["point"]): row for row in rows}
    yield "| settings | clips | sum of bits | bits of the clips | CPU | CPU of the clips | PSNR | VMAF | VMAF-NEG |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in _names(rows, "point"):
        pairs = [(by[c, name], by[c, REFERENCE]) for c in clips if (c, name) in by and (c, REFERENCE) in by]
        if pairs:
            bits = [mine["mbit_s"] / other["mbit_s"] for mine, other in pairs]
            total = sum(mine["mbit_s"] for mine, _ in pairs) / sum(other["mbit_s"] for _, other in pairs)
            cpu = [_value(mine, "cpu") / _value(other, "cpu") for mine, other in pairs]
            gains = (f"{sum(mine[m] - other[m] for mine, other in pairs) / len(pairs):+.2f}" for m in MEASURES)
            yield (
                f"| {name} | {len(pairs)} | {total:.2f} | {_each(bits)} | {_mean(cpu)} | {_each(cpu)} "
                f"| {' | '.join(gains)} |"
            )


_SECTIONS = {"search": _search, "curves": _equal, "usual": _fixed, "live": _fixed, "whole": _fixed}


def _line(name: str, clip: str, row: Row) -> str:
    measures = " | ".join(f"{row[measure]:.2f}" for measure in MEASURES)
    return f"| {name} | {clip} | {row['mbit_s']:.2f} | {1e3 * _value(row, 'cpu'):.1f} | {measures} |"


def _mean(ratios: Sequence[float], of: int | None = None) -> str:
    if not ratios:
        return ""
    return f"{geometric_mean(ratios):.2f}" + (f" ({len(ratios)})" if of is not None and len(ratios) < of else "")


def _each(ratios: Sequence[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)
