"""``sr4k train`` and ``sr4k eval``: make a network, and measure one."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.outcome import log_handler, told_in_one_line
from sr4k.errors import OptionError
from sr4k.models.zoo import DEFAULT


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of pictures to learn from.", metavar="FOLDER...")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint and finished weights.")],
    model: Annotated[str, typer.Option(help="Which network.")] = DEFAULT,
    validate: Annotated[list[Path] | None, typer.Option(help="Folder of test pictures; may repeat.")] = None,
    steps: Annotated[int, typer.Option(min=1)] = 60_000,
    batch: Annotated[int, typer.Option(min=1, help="Windows in a step.")] = 16,
    patch: Annotated[int, typer.Option(min=16, help="Side of a low-resolution window.")] = 48,
    learning_rate: Annotated[float, typer.Option(min=1e-7)] = 1e-3,
    seed: Annotated[int, typer.Option()] = 1,
    every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 2000,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show tracebacks.")] = False,
) -> None:
    """Train a network and calibrate it for int8. Run it again to go on where it was interrupted."""
    with told_in_one_line(verbose=verbose):
        logging.basicConfig(level=logging.INFO, handlers=[log_handler()])
        _need_torch()
        from safetensors.numpy import load_file

        from sr4k.models import zoo
        from sr4k.models.training.calibrate import calibrate
        from sr4k.models.training.train import Trainer, TrainSettings

        arch = zoo.architecture(model)
        settings = TrainSettings(
            data,
            out,
            arch,
            steps,
            batch,
            patch,
            learning_rate=learning_rate,
            seed=seed,
            validate=validate or [],
            every=every,
        )
        weights = load_file(Trainer(settings).run())
        zoo.save(model, out, weights, calibrate(arch, weights, data))
        typer.echo(f"{out}: {model} is ready; try  sr4k eval --weights {out} FOLDER", err=True)


def evaluate(
    folders: Annotated[list[Path], typer.Argument(help="Folders of test pictures.", metavar="FOLDER...")],
    model: Annotated[str, typer.Option(help="Which network.")] = DEFAULT,
    weights: Annotated[Path | None, typer.Option(help="Folder of its weights. Default: the shipped ones.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show tracebacks.")] = False,
) -> None:
    """PSNR-Y in dB at x2 against bicubic: luma, 2-pixel border cut, low resolution by MATLAB's bicubic."""
    with told_in_one_line(verbose=verbose):
        from sr4k.evaluate import upscaler
        from sr4k.models.evaluate import bicubic, mean_psnr_y

        typer.echo(f"{'folder':16}{'bicubic':>10}{'fp32':>10}{'int8':>10}{'int8 loss':>12}")
        for folder in folders:
            base, fp32, int8 = (
                mean_psnr_y(folder, upscale)
                for upscale in (bicubic, upscaler(model, "fp32", weights), upscaler(model, "int8", weights))
            )
            typer.echo(f"{folder.name:16}{base:10.3f}{fp32:10.3f}{int8:10.3f}{fp32 - int8:12.3f}")


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as err:
        raise OptionError("Training needs PyTorch: pip install 'sr4k-stream[train]'.") from err
