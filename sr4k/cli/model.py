"""``sr4k model``: the networks that users bring."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sr4k.bench import InputSize
from sr4k.cli.command_kinds import Command, Group
from sr4k.cli.one_line_errors import errors_in_one_line, say
from sr4k.cli.table import table
from sr4k.common.json_text import json_text

if TYPE_CHECKING:
    from sr4k.models.foreign.card import Card
    from sr4k.models.foreign.store import Foreign

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")]
Name = Annotated[str, typer.Argument(help="Name of one of your networks; sr4k model list lists them.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")]

_FRAME = 1080 * 1920
_PLENTY = 1e12
"""Multiply-accumulates for a 1080p picture from which a network is said to be heavy."""

app = typer.Typer(
    cls=Group,
    help="Add networks of your own (ONNX, or checkpoints of PyTorch), list, measure, export or remove them.",
    no_args_is_help=True,
)


@app.command(no_args_is_help=True, cls=Command)
def add(
    file: Annotated[
        Path,
        typer.Argument(
            help="File of the network: .onnx; or .pth, .pt, .ckpt or .safetensors (extra \\[convert]).", metavar="FILE"
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name to call it by, as in --model NAME. Default: that of the file.")
    ] = None,
    source: Annotated[str, typer.Option(help="Origin of the network, such as its page, for its card.")] = "",
    licence: Annotated[
        str, typer.Option(help="Licence of the network, for its card: a name, or all of the text.")
    ] = "",
    verbose: Verbose = False,
) -> None:
    """Test a network by running it, and add it to yours. Nothing in the file is executed as a program."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.engines.foreign_trial import added, check_file
        from sr4k.models.foreign.store import check_name

        if name is None:
            check_file(file)  # before the name that is made of its own
        called = name if name is not None else file.stem
        check_name(called)
        check_free(called)
        found = added(file.absolute(), called, source=source, licence=licence)
        say(*_told(found), f"Use it:  sr4k-stream --model {called} IN OUT")


@app.command("list", cls=Command)
def list_all(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List your networks."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.common.owned_folder import remove_ownerless
        from sr4k.models.foreign import store

        remove_ownerless(store.store_folder())
        rows = [(name, _found_or_trouble(name)) for name in store.names()]
        if as_json:
            typer.echo(json_text([_as_data(name, found) for name, found in rows]))
        elif rows:
            header = ["model", "scale", "pixels", "parameters", "GMAC", "licence"]
            typer.echo(table(header, [_row(name, found) for name, found in rows]))
        else:
            typer.echo("You have added no network yet: sr4k model add FILE does it.")
        typer.echo(f"Your networks are kept in {store.store_folder()}.", err=True)


@app.command(no_args_is_help=True, cls=Command)
def show(name: Name, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what is known of one of your networks: its card."""
    with errors_in_one_line(verbose=verbose):
        found = found_network(name)
        if as_json:
            typer.echo(json_text(_as_data(name, found)))
        else:
            say(*_told(found))


@app.command(no_args_is_help=True, cls=Command)
def remove(name: Name, verbose: Verbose = False) -> None:
    """Remove one of your networks."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.models.foreign import store

        store.remove(name)
        typer.echo(f"Removed {name}.")


@app.command(no_args_is_help=True, cls=Command)
def bench(
    name: Name,
    size: Annotated[InputSize, typer.Option(help="Size of the pictures.")] = InputSize.P1080,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements; the median is reported.")] = 3,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure how long one of your networks takes for a picture, here and in OpenVINO without anything around it."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.bench.foreign_network import measure_foreign

        found = measure_foreign(found_network(name), size.pixels, rounds)
        if as_json:
            typer.echo(json_text(asdict(found)))
            return
        say(*found.in_words())


@app.command(no_args_is_help=True, cls=Command)
def export(
    name: Annotated[
        str, typer.Argument(help="Name of a network: one that ships with the package, or yours.", metavar="NAME")
    ],
    file: Annotated[Path, typer.Argument(help="File to write, which ends in .onnx.", metavar="FILE")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    verbose: Verbose = False,
) -> None:
    """Write a network as plain ONNX for other programs: RGB from 0 to 1 in float32, of any size, batch 1, NCHW."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.cli.new_file import check_new_file
        from sr4k.common.whole_file import write_whole
        from sr4k.models import catalogue, zoo

        check_new_file(file, [".onnx"], overwrite=overwrite)
        found = catalogue.foreign(name)
        zoo.check_shipped(name, "it can't be exported")
        if found is not None:
            write_whole(file, found.path.read_bytes())
        else:
            from sr4k.models.plain_export import to_plain_onnx

            graph = to_plain_onnx(zoo.load(name).folded(None), {"model": name, "licence": zoo.LICENCE})
            write_whole(file, graph.SerializeToString())
        typer.echo(f"{file}: {name}, {file.stat().st_size / 1e6:.2f} MB")


def check_free(name: str) -> None:
    """Check that a name is not one that ``--model`` knows already.

    Raises:
        OptionError: it is.
    """
    from sr4k.errors import OptionError
    from sr4k.models.catalogue import ARCHITECTURES

    if name in ARCHITECTURES or name == "auto":
        taken = (
            "stands for the network that is chosen"
            if name == "auto"
            else "is the name of one that ships with the package"
        )
        raise OptionError(f"A network of yours can't be called '{name}', which {taken}: give another name with --name.")


def found_network(name: str) -> "Foreign":
    """Return one of the user's networks, by its name or the path of its file.

    Raises:
        OptionError: there is none, or it can't be used.
        EngineError: the test of a file can't be made.
        OutputError: what was found can't be kept.
    """
    from sr4k.engines.foreign_trial import known
    from sr4k.errors import OptionError
    from sr4k.models.catalogue import ARCHITECTURES, chain
    from sr4k.models.foreign import store

    if len(chain(name)) > 1:
        raise OptionError(f"{name} are several networks, and this takes one: sr4k-stream --dry-run measures them all.")
    if name in ARCHITECTURES:
        raise OptionError(f"{name} ships with the package: sr4k models shows it.")
    found = known(str(Path(name).absolute()) if store.is_path(name) else name)
    if found is None:
        raise store.unknown(name)
    return found


def _found_or_trouble(name: str) -> "Foreign | str":
    from sr4k.errors import OptionError
    from sr4k.models.catalogue import ARCHITECTURES
    from sr4k.models.foreign import store

    if name in ARCHITECTURES:  # in a version after that which added it
        return "the network that ships under this name takes its place: add yours again under another one"
    try:
        found = store.find(name)
    except OptionError as err:
        return str(err)
    return found or "it was removed meanwhile"


def _row(name: str, found: "Foreign | str") -> list[str]:
    if isinstance(found, str):
        return [name, "", "", "", "", found]
    card = found.card
    gmacs = f"{card.macs(1080, 1920) / 1e9:,.1f}"
    return [name, f"x{card.scale}", _pixels(found), f"{card.parameters:,}", gmacs, card.licence.split("\n")[0][:40]]


def _pixels(found: "Foreign") -> str:
    return "RGB" if found.card.channels == 3 else "luma"


def _as_data(name: str, found: "Foreign | str") -> dict[str, Any]:
    if isinstance(found, str):
        return {"model": name, "trouble": found}
    return {"model": name, "path": str(found.path), **asdict(found.card)}


def _told(found: "Foreign") -> list[str]:
    """Return a network's card in lines for people."""
    card = found.card
    size = "any" if card.multiple == 1 else f"multiples of {card.multiple}; others are padded"
    if card.fixed is not None:
        size = f"{card.fixed[1]}x{card.fixed[0]} only: pictures are cut into such tiles"
    seen = f"{card.reach} pixels; tiles give exactly the picture that one piece gives"
    if card.reach is None:
        seen = "the whole picture; large pictures are computed in tiles that are blended"
    macs = card.macs(1080, 1920)
    lines = {
        "file": str(found.path),
        "scale": f"x{card.scale}",
        "pixels": f"{_pixels(found)}, 0 to {card.peak:g}, {card.layout}",
        "levels": _levels(card),
        "precision": _precision(card),
        "sizes": size,
        "sees": seen,
        "parameters": f"{card.parameters:,}",
        "a 1080p picture": f"{macs / 1e9:,.1f} GMAC, {_FRAME * card.bytes_per_pixel / 2**20:,.0f} MiB{_heavy(macs)}",
        "repeatable": "yes" if card.deterministic else "no: the same picture gave two different results",
        "architecture": card.architecture or "unknown",
        "SHA-256": card.sha256,
        "added from": f"{card.original} ({card.original_sha256[:12]}…)" if card.original else "",
        "source": card.source,
        "licence": card.licence or "not stated: see where it comes from",
    }
    return [f"{name:<16} {value}" for name, value in lines.items() if value]


def _precision(card: "Card") -> str:
    return "float" if card.precision != "int8" else f"int8, which costs {card.loss or 0:.3f} dB of PSNR"


def _levels(card: "Card") -> str:
    if card.correlation is None or card.shift is None:
        return ""
    found = f"mean {card.shift:+.2f}, white being 1; correlation with the picture {card.correlation:.2f}"
    if card.is_doubtful:
        return f"{found}. Warning: that is far from the picture: look at what it makes before you use it"
    return found


def _heavy(macs: int) -> str:
    return f"; {macs / 22e9:,.0f} times as much as luma: measure it with sr4k model bench" if macs >= _PLENTY else ""
