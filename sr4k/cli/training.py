"""``sr4k train`` and ``sr4k quantize``: train a network, or prepare one that was trained elsewhere."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.one_line_errors import errors_in_one_line, log_handler, say
from sr4k.cli.picture_folders import check_outside
from sr4k.common.shipped_files import shipped_names
from sr4k.errors import OptionError
from sr4k.models.catalogue import DEFAULT

_RECIPES = shipped_names("sr4k.models.training")


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of pictures to train on.", metavar="FOLDER...")],
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
    steps: Annotated[int | None, typer.Option(min=1, help="Number of training steps. Default: the recipe's.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size: patches per step. Default: the recipe's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random numbers. Default: the recipe's.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads to train with. Default: PyTorch's own choice.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    r"""Train a network, first in float and then for int8. Run the same command again to continue an interrupted run.

    It uses an NVIDIA GPU if PyTorch finds one. Needs the extra \[train].
    """
    with errors_in_one_line(verbose=verbose):
        from sr4k.models.training.recipe import load_recipe

        logging.basicConfig(level=logging.INFO, handlers=[log_handler()])
        for folder in (*data, *(validate or [])):
            check_outside(out, folder, "--out")
        recipe = load_recipe(config).updated(steps=steps, batch=batch, seed=seed)
        _need_torch()
        import torch

        from sr4k.models.training.run import train_model

        if threads is not None:
            torch.set_num_threads(threads)
        train_model(recipe, data, out, validate=validate or [])
        measure = f"sr4k eval --model {recipe.model} --weights {out} FOLDER"
        typer.echo(f"{recipe.model} is ready in {out}. Measure it:  {measure}", err=True)


def quantize(
    weights: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint to prepare: .safetensors, or .pt or .pth in the official or BasicSR's layout.",
            metavar="CHECKPOINT",
        ),
    ],
    data: Annotated[list[Path], typer.Argument(help="Folders of pictures to calibrate on.", metavar="FOLDER...")],
    model: Annotated[str, typer.Option(help="Network that the checkpoint belongs to; sr4k models lists all.")],
    out: Annotated[Path, typer.Option(help="Folder to write the files of the model to.")],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    r"""Prepare a checkpoint for sr4k-stream: calibrate it for int8 on some pictures. Needs the extra \[train]."""
    with errors_in_one_line(verbose=verbose):
        _need_torch()
        from sr4k.media.writing.target_file import check_apart
        from sr4k.models import zoo
        from sr4k.models.training.calibrate import calibrate

        for file in zoo.files_of(out, model):
            check_apart(file, [weights])
        loaded = zoo.load(model, weights)
        calibration = calibrate(loaded.folded(None), data)
        out.mkdir(parents=True, exist_ok=True)
        zoo.save(out, zoo.Model(loaded.name, loaded.arch, loaded.weights, calibration))
        say(f"{model} is ready in {out}. Use it:  sr4k-stream --model {model} --weights {out} IN OUT", err=True)


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as err:
        raise OptionError("This command needs PyTorch: pip install 'sr4k-stream[train]'.") from err
