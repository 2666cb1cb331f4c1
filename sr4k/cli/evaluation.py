"""``sr4k eval``, ``sr4k compare`` and ``sr4k models``: measure quality."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sr4k.cli.local_paths import check_local
from sr4k.cli.one_line_errors import errors_in_one_line, say
from sr4k.cli.picture_folders import check_outside
from sr4k.cli.table import table
from sr4k.common.json_text import json_text
from sr4k.errors import OptionError
from sr4k.models import catalogue
from sr4k.models.architecture import Pixels
from sr4k.models.quality import Protocol

if TYPE_CHECKING:
    from sr4k.quality.measure_videos import Course

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the picture if it exists.")]

_HD = (1080, 1920)

_PLOTS = (".pdf", ".png", ".svg")


def evaluate(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of high-resolution pictures, which are shrunk and upscaled again, or of pairs in DIV2K's "
            "layout.",
            metavar="FOLDER",
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Network to measure, or several joined by +; may be given several times. Default: all with shipped "
            "weights."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Folder or checkpoint with your own weights for the network. Default: the weights that are shipped."
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="Protocol of the measurement: usual is on luma, as in papers; card is on RGB, from 1080p to 4K, as on "
            "SR4K's model card."
        ),
    ] = "usual",
    pixels: Annotated[
        Pixels, typer.Option(help="Colour planes that the networks work on: bgr, or yuv (4:2:0, as in videos).")
    ] = "bgr",
    fid: Annotated[
        Path | None,
        typer.Option(help="File of Inception weights; measures FID as well (extra \\[fid]). Default: no FID."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Picture (.png, .jpg, .tif or .webp) to write, with crops of all results side by side; outside the "
            "folders."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON on stdout instead of a table; null is a PSNR without a difference."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Measure networks on pictures: PSNR, SSIM and chroma PSNR of bicubic, of the network in float, and in int8."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.cli.new_file import check_new_file
        from sr4k.common.picture_suffixes import WRITABLE
        from sr4k.jobs.model_choice import existing_chain
        from sr4k.media.writing.target_file import check_apart
        from sr4k.models import zoo
        from sr4k.models.quality.image_files import picture_files
        from sr4k.quality.measure_networks import evaluate_networks

        check_local(*folders, fid, sheet)
        names = [existing_chain(name) for name in model or []] or [
            name for name in catalogue.ARCHITECTURES if zoo.has_weights(name)
        ]
        if weights is not None and len(names) != 1:
            raise OptionError("--weights are for one network: name it with a single --model.")
        if sheet is not None:
            check_apart(sheet, [*picture_files(folders), *filter(None, [weights, fid])])
            for folder in folders:
                check_outside(sheet, folder, "--sheet")
            check_new_file(sheet, WRITABLE, overwrite=overwrite)
        results = evaluate_networks(folders, names, weights, protocol, pixels=pixels, fid=fid, sheet=sheet)
        typer.echo(json_text(results) if as_json else _as_markdown(results))


def compare(
    upscaled: Annotated[
        str, typer.Argument(help="Video to measure, or its s3:// or http(s):// address.", metavar="VIDEO")
    ],
    reference: Annotated[str, typer.Argument(help="Video to compare it with, of the same size.", metavar="REFERENCE")],
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Picture (.png, .svg or .pdf) to write, with plots of the measures over time (extra \\[eval])."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON on stdout instead of text, with the measures of every frame; null is a PSNR "
            "without a difference.",
        ),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    r"""Measure a video against a reference, frame by frame: PSNR, SSIM, XPSNR, VMAF and VMAF-NEG.

    All are measured on luma, and PSNR on chroma too. Where matrix or range of the colours differ, the video is
    converted to those of the reference. Transfer characteristics (SDR, PQ, HLG) and primaries are not converted: where
    they differ, a note says that levels are compared as they are, although a player shows the videos differently.
    Transparency is ignored, with a note. VMAF needs the extra \[vmaf].
    """
    with errors_in_one_line(verbose=verbose):
        from sr4k.cli.new_file import check_new_file
        from sr4k.common.given_path import given_path
        from sr4k.common.plotting import require_plotting
        from sr4k.media.remote_path import file_or_remote
        from sr4k.media.writing.target_file import check_apart
        from sr4k.quality.measure_videos import compare_videos, plot_course

        check_local(plot)
        video, like = (file_or_remote(given_path(given)) for given in (upscaled, reference))
        if plot is not None:
            check_apart(plot, [video, like])
            check_new_file(plot, _PLOTS, overwrite=overwrite)
            require_plotting()
        course = compare_videos(video, like)
        if plot is not None:
            plot_course(course, plot)
        if as_json:
            about = {"video": str(video), "reference": str(like), "notes": course.notes + course.lacking}
            figures = {"mean": course.mean(), "worst": course.worst(), "frames": course.frames}
            typer.echo(json_text(about | figures))
            return
        say(*_in_words(course, video, like))


def _in_words(course: "Course", video: Path, reference: Path) -> Iterator[str]:
    from sr4k.common.printable import clock

    width, height = course.size
    yield f"{video} against {reference}: {len(course.frames)} frames, {width}x{height}, {course.bits} bits"
    yield from (f"  {note}" for note in course.notes + course.lacking)
    mean, worst = course.mean(), course.worst()
    for name, unit in course.measures.items():
        label = name if name.startswith(("PSNR C", "VMAF")) else f"{name} Y"
        if math.isinf(worst[name]["value"]):
            yield f"  {label:<8} no difference"
            continue
        digits = 4 if name == "SSIM" else 2
        values = (f"{value:.{digits}f} {unit}".rstrip() for value in (mean[name], worst[name]["value"]))
        at = f"{clock(worst[name]['time'])} (frame {worst[name]['frame']})"
        yield "  {:<8} {:<10} worst {} at {}".format(label, *values, at)


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """List the networks: parameters, cost of a 1080p frame, quality of the shipped weights, licence.

    GMAC: billions of multiply-accumulates for a 1080p frame, as published and as it runs here (folded). Set5 and Set14:
    PSNR in dB. int8 loss: the most PSNR that int8 costs, in dB.
    """
    with errors_in_one_line(verbose=verbose):
        from sr4k.models.foreign import store

        rows = [*map(_describe, catalogue.ARCHITECTURES), *map(_describe_foreign, store.names())]
        if as_json:
            typer.echo(json_text(rows))
            return
        columns: dict[str, Callable[[Any], str]] = {
            "model": str,
            "scale": lambda v: "" if v is None else f"x{v}",
            "parameters": lambda v: "" if v is None else f"{v:,}",
            "GMAC": lambda v: "" if v is None else f"{v:,.1f}",
            "folded GMAC": lambda v: "" if v is None else f"{v:.1f}",
            "Set5 dB": lambda v: "" if v is None else f"{v:.2f}",
            "Set14 dB": lambda v: "" if v is None else f"{v:.2f}",
            "int8 loss dB": lambda v: "" if v is None else f"{v:.2f}",
            "weights": str,
        }
        keys = {"folded GMAC": "folded", "int8 loss dB": "int8 loss"}
        shown = [[show(row[keys.get(title, title)]) for title, show in columns.items()] for row in rows]
        typer.echo(table(list(columns), shown))


def _describe(name: str) -> dict[str, Any]:
    from sr4k.models import zoo
    from sr4k.models.colour import Colour

    arch, measured = catalogue.architecture(name), zoo.measured().get(name, {})
    shipped = zoo.has_weights(name)
    folded = zoo.load(name).folded(Colour()).macs(*_HD) / 1e9 if shipped else None
    losses = [row["fp32"]["psnr"] - row["int8"]["psnr"] for row in measured.values() if "int8" in row]
    return {
        "model": name + (" (default)" if name == catalogue.DEFAULT else ""),
        "scale": arch.scale,
        "parameters": arch.parameters(),
        "GMAC": arch.macs(*_HD) / 1e9,
        "folded": folded,
        "Set5 dB": measured.get("Set5", {}).get("fp32", {}).get("psnr"),
        "Set14 dB": measured.get("Set14", {}).get("fp32", {}).get("psnr"),
        "int8 loss": max(losses, default=None),
        "weights": f"shipped, {zoo.LICENCE}" if shipped else "not shipped: use --weights",
    }


def _describe_foreign(name: str) -> dict[str, Any]:
    """Return the same of a network that the user added."""
    try:
        found = catalogue.foreign(name)
    except OptionError:  # sr4k model list tells it
        found = None
    card = None if found is None else found.card
    return {
        "model": name,
        "scale": None if card is None else card.scale,
        "parameters": None if card is None else card.parameters,
        "GMAC": None if card is None else card.macs(*_HD) / 1e9,
        "folded": None,
        "Set5 dB": None,
        "Set14 dB": None,
        "int8 loss": None,
        "weights": "damaged: see sr4k model list" if card is None else "yours: see sr4k model show",
    }


def _as_markdown(results: dict[str, Any]) -> str:
    header = ["folder", "network", "precision", "PSNR dB", "SSIM", "chroma PSNR dB", "FID"]
    rows = []
    for name, folders in results.items():
        for folder, by_precision in folders.items():
            for precision, quality in by_precision.items():
                fid = quality.get("fid")
                rows.append(
                    [
                        folder,
                        "" if precision == "bicubic" else name,
                        precision,
                        _psnr(quality["psnr"]),
                        f"{quality['ssim']:.4f}",
                        _psnr(quality["chroma"]),
                        "" if fid is None else f"{fid:.3f}",
                    ]
                )
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, [row for k, row in enumerate(rows) if row not in rows[:k]])


def _psnr(value: float) -> str:
    return "no difference" if math.isinf(value) else f"{value:.3f}"
