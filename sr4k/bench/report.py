"""Writes the result of the suite as JSON, as a Markdown page and as plots."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sr4k.bench.machine import in_words
from sr4k.common.plotting import new_figure, write_figure
from sr4k.common.whole_file import write_whole


def as_markdown(result: dict[str, Any], command: str) -> str:
    """Return a page with the results as tables, by input size.

    ``command``: the command that measured them.
    """
    lines = [
        "# Frame throughput",
        "",
        f"`{command}`; {in_words(result['machine'])}",
        "",
        f"Sizes are of the input; the output has twice the width and height. The int8 peak of this machine, measured "
        f"with 1x1 convolutions in OpenVINO, is {result['int8_peak'] / 1e9:.0f} GMAC/s.",
    ]
    for part in (_engine, _stages, _pipeline, _latency, _lanes, _streams):
        lines += part(result["sizes"])
    return "\n".join(lines) + "\n"


def _engine(sizes: dict[str, Any]) -> Iterator[str]:
    yield from _heading(
        sizes,
        "engine",
        "The engine alone",
        ["input", "model", "precision", "ms/frame", "range", "GMAC/frame", "GMAC/s", "share of peak"],
    )
    for size, found in sizes.items():
        for model, row in found.get("engine", {}).items():
            low, high = (1e3 * end(row["seconds_a_frame"]) for end in (min, max))
            yield (
                f"| {size} | {model} | {row['precision']} | {1e3 * row['median']:.1f} | {low:.1f}-{high:.1f} "
                f"| {row['macs'] / 1e9:.1f} | {row['macs_a_second'] / 1e9:.0f} | {row['share_of_peak']:.0%} |"
            )


def _stages(sizes: dict[str, Any]) -> Iterator[str]:
    names = next((list(found["stages"]) for found in sizes.values() if "stages" in found), [])
    yield from _heading(sizes, "stages", "Each stage alone, ms/frame", ["input", *names])
    for size, found in sizes.items():
        if "stages" in found:
            yield f"| {size} | " + " | ".join(f"{1e3 * found['stages'][name]:.1f}" for name in names) + " |"


def _pipeline(sizes: dict[str, Any]) -> Iterator[str]:
    columns = ["input", "frames/s", "range", "frames/s with start-up", "CPU s/frame", "share of CPUs"]
    yield from _heading(sizes, "pipeline", "The whole pipeline, file to file", columns)
    for size, found in sizes.items():
        if row := found.get("pipeline"):
            yield (
                f"| {size} | {row['fps']:.2f} | {min(row['rounds']):.2f}-{max(row['rounds']):.2f} "
                f"| {row['fps_with_start_up']:.2f} | {row['cpu_seconds_a_frame']:.3f} | {row['cpus_used']:.0%} |"
            )


def _latency(sizes: dict[str, Any]) -> Iterator[str]:
    columns = ["input", "frames/s", "median, ms", "95th percentile, ms"]
    yield from _heading(sizes, "latency", "Latency from decoded frame to encoded packet", columns)
    for size, found in sizes.items():
        if row := found.get("latency"):
            yield f"| {size} | {row['rate']:.1f} | {1e3 * row['median']:.0f} | {1e3 * row['p95']:.0f} |"


def _lanes(sizes: dict[str, Any]) -> Iterator[str]:
    columns = ["input", "lanes", "frames/s", "range"]
    yield from _heading(sizes, "lanes", "Lanes: networks in parallel on one video", columns)
    for size, found in sizes.items():
        for count, rates in found.get("lanes", {}).items():
            spread = f"{min(rates):.2f}-{max(rates):.2f}"
            yield f"| {size} | {count} | {statistics.median(rates):.2f} | {spread} |"


def _streams(sizes: dict[str, Any]) -> Iterator[str]:
    columns = ["input", "videos", "frames/s in total", "slowest / fastest"]
    yield from _heading(sizes, "streams", "Several videos at once, start-up included", columns)
    for size, found in sizes.items():
        for count, row in found.get("streams", {}).items():
            yield f"| {size} | {count} | {row['fps']:.2f} | {row['slowest_to_fastest']:.2f} |"


def _heading(sizes: dict[str, Any], part: str, title: str, columns: list[str]) -> Iterator[str]:
    if any(part in found for found in sizes.values()):
        yield from ("", f"## {title}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns))


def store(folder: Path, name: str, result: dict[str, Any], page: str) -> None:
    """Write ``name``.json and ``name``.md. Each is whole, or what it was before.

    Raises:
        OutputError: a file can't be written.
    """
    write_whole(folder / f"{name}.json", f"{json.dumps(result, indent=2)}\n".encode())
    write_whole(folder / f"{name}.md", page.encode())


def plot(result: dict[str, Any], target: Path) -> None:
    """Write a picture with plots of the stages' times, throughput over input size, and queues over time.

    Raises:
        OptionError: matplotlib is not installed.
        OutputError: the file can't be written.
    """
    figure = new_figure(13, 4)
    stage_axes, rate_axes, queue_axes = figure.subplots(1, 3)
    sizes = result["sizes"]
    _plot_stages(stage_axes, {size: found["stages"] for size, found in sizes.items() if "stages" in found})
    for model in result["models"]:
        rates = {size: 1 / found["engine"][model]["median"] for size, found in sizes.items() if "engine" in found}
        rate_axes.plot(list(rates), list(rates.values()), marker="o", label=f"engine, {model}")
    whole = {size: found["pipeline"]["fps"] for size, found in sizes.items() if "pipeline" in found}
    rate_axes.plot(list(whole), list(whole.values()), marker="s", label=f"file to file, {result['models'][0]}")
    rate_axes.set(title="frames per second", yscale="log")
    rate_axes.legend()
    rate_axes.grid(alpha=0.3, which="both")
    _plot_queues(queue_axes, {size: found["pipeline"] for size, found in sizes.items() if "pipeline" in found})
    write_figure(figure, target)


def _plot_stages(axes: Any, by_size: dict[str, dict[str, float]]) -> None:
    bottoms = dict.fromkeys(by_size, 0.0)
    for stage in next(iter(by_size.values()), {}):
        heights = [1e3 * stages[stage] for stages in by_size.values()]
        axes.bar(list(by_size), heights, bottom=list(bottoms.values()), label=stage)
        bottoms = {size: bottoms[size] + height for size, height in zip(by_size, heights, strict=True)}
    axes.set(title="each stage alone, ms per frame")
    if by_size:
        axes.legend()


def _plot_queues(axes: Any, by_size: dict[str, Any]) -> None:
    """Plot the queues of the largest input."""
    for size, pipeline in list(by_size.items())[-1:]:
        course = pipeline["course"]
        for worker in sorted({name for moment in course for name in moment["depths"]} - {"encode"}):
            depths = [moment["depths"].get(worker, 0) for moment in course]
            axes.step([moment["seconds"] for moment in course], depths, where="post", label=f"after {worker}")
        axes.set(title=f"frames waiting, {size}", xlabel="seconds")
        axes.legend()
