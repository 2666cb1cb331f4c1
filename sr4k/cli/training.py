"""``sr4k train`` and ``sr4k quantize``: train a network, or prepare one that was trained elsewhere."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.one_line_errors import errors_in_one_line, log_handler, say
from sr4k.cli.picture_folders import check_outside
from sr4k.common.shipped_files import shipped_names
from sr4k.errors import OptionError, OutputError
from sr4k.models.catalogue import DEFAULT
from sr4k.models.foreign.store import CHECKPOINTS

_MAX_LOSS = 0.1
"""PSNR that int8 may cost of a network of the user's, in dB."""

_RECIPES = shipped_names("sr4k.models.training")


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of pictures to train on.", metavar="FOLDER")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder to write the run to: checkpoints, plot and finished model; outside the folders of pictures."
        ),
    ],
    config: Annotated[
        str,
        typer.Option(
            "--config",
            "-c",
            help=f"Training recipe: {', '.join(_RECIPES)}, or the path of a YAML file.",
        ),
    ] = DEFAULT,
    validate: Annotated[
        list[Path] | None, typer.Option(help="Folder of test pictures; may be given several times. Default: none.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of training steps in float, before those for int8 (int8.steps of a recipe). Default: the "
            "recipe's.",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size: patches per step. Default: the recipe's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the random numbers. Default: the recipe's.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads to train with. Default: PyTorch's own choice.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    r"""Train a network, first in float and then for int8. Run the same command again to continue an interrupted run.

    It uses an NVIDIA GPU if PyTorch finds one. Needs the extra \[train].
    """
    with errors_in_one_line(verbose=verbose):
        from sr4k.media.writing.target_file import check_folder
        from sr4k.models.training.recipe import load_recipe

        logging.basicConfig(level=logging.INFO, handlers=[log_handler()])
        for folder in (*data, *(validate or [])):
            check_outside(out, folder, "--out")
        check_folder(out, "a run")
        recipe = load_recipe(config).updated(steps=steps, batch=batch, seed=seed)
        _need_torch()
        import torch

        from sr4k.models.training.run import train_model

        if threads is not None:
            torch.set_num_threads(threads)
        try:
            train_model(recipe, data, out, validate=validate or [])
        except OutputError as err:
            raise OutputError(f"{err} Files written earlier are kept: run it again to continue.") from err
        measure = f"sr4k eval --model {recipe.model} --weights {out} FOLDER"
        typer.echo(f"{recipe.model} is ready in {out}. Measure it:  {measure}", err=True)


def quantize(
    network: Annotated[
        str,
        typer.Argument(
            help="One of your networks, by name or as the path of an .onnx file; or a checkpoint of a network that "
            "ships: .safetensors, or .pt or .pth in the official or BasicSR's layout.",
            metavar="NETWORK",
        ),
    ],
    data: Annotated[list[Path], typer.Argument(help="Folders of pictures to calibrate on.", metavar="FOLDER")],
    name: Annotated[
        str | None, typer.Option(help="Name of the int8 form of a network of yours. Default: NETWORK-int8.")
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(min=0, help="Maximum PSNR in dB that int8 may cost a network of yours. Default: 0.1."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Network that a checkpoint belongs to; sr4k models lists all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write the files of a checkpoint's model to.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    r"""Make the int8 form of a network, calibrated on some pictures.

    One of your networks gets a second entry beside it, which --model takes; what int8 costs and brings is told. Needs
    the extra \[quantize]. A checkpoint of a network that ships becomes a folder for --weights. Needs the extra
    \[train].
    """
    with errors_in_one_line(verbose=verbose):
        of_checkpoint, of_yours = {"--model": model, "--out": out}, {"--name": name, "--max-loss": max_loss}
        path = Path(network)
        is_checkpoint = path.suffix.lower() in CHECKPOINTS or (path.exists() and path.suffix.lower() != ".onnx")
        for option, value in (of_yours if is_checkpoint else of_checkpoint).items():
            if value is not None:
                raise OptionError(
                    f"{option} is not for {'checkpoints' if is_checkpoint else 'your networks'}: omit it."
                )
        if not is_checkpoint:
            _quantize_foreign(network, data, name, _MAX_LOSS if max_loss is None else max_loss)
        elif model is None or out is None:
            raise OptionError(
                f"{network} is a checkpoint: --model says which network that ships it belongs to, and --out where to "
                "write it. One of another network is added with sr4k model add first."
            )
        else:
            _quantize_checkpoint(path, data, model, out)


def _quantize_checkpoint(weights: Path, data: list[Path], model: str, out: Path) -> None:
    _need_torch()
    from sr4k.media.writing.made_folder import folder_made
    from sr4k.media.writing.target_file import check_apart, check_folder
    from sr4k.models import zoo
    from sr4k.models.training.calibrate import calibrate

    check_folder(out, "a model")
    for file in zoo.files_of(out, model):
        check_apart(file, [weights])
    loaded = zoo.load(model, weights)
    with folder_made(out):
        calibration = calibrate(loaded.folded(None), data)
        zoo.save(out, zoo.Model(loaded.name, loaded.arch, loaded.weights, calibration))
    say(f"{model} is ready in {out}. Use it:  sr4k-stream --model {model} --weights {out} IN OUT", err=True)


def _quantize_foreign(network: str, data: list[Path], name: str | None, max_loss: float) -> None:
    from sr4k.cli.model import check_free, found_network
    from sr4k.models.foreign import store

    if name is None:
        found_network(network)  # before the name that is made of its own
    called = name if name is not None else f"{Path(network).stem if store.is_path(network) else network}-int8"
    store.check_name(called)
    check_free(called)
    store.check_unused(called)
    found = found_network(network)
    from sr4k.quality.quantize_foreign import quantize

    made = quantize(found, data, called, max_loss)
    say(*made.in_words(), f"Use it:  sr4k-stream --model {called} IN OUT")


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as err:
        raise OptionError("This command needs PyTorch: pip install 'sr4k-stream[train]'.") from err
