"""Fine-tune for int8: train the folded graph as deployed, with every rounding, by straight-through estimation.

Gradients pass a rounding unchanged and stop where values clip (Bengio et al., arXiv 1308.3432; Jacob et
al., arXiv 1712.05877). Activation scales stay as calibrated.
"""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.numpy import load_file
from torch import Tensor

from sr4k.models import zoo
from sr4k.models.execute import TensorConv, TorchOps, Trainable, upscale_window
from sr4k.models.folded_network import FoldedNetwork
from sr4k.models.quantize import LEVELS, OFFSET, Calibration
from sr4k.models.training.calibrate import calibrate
from sr4k.models.training.data import Batch
from sr4k.models.training.recipe import Recipe
from sr4k.models.training.start import fresh, take
from sr4k.models.training.train import Source, Trainer

log = logging.getLogger(__name__)


class RoundedOps(TorchOps):
    """`sr4k.models.folded_network.Ops` in float, with values rounded to int8 steps.

    Args:
        net: network whose convolutions are rounded; gradients reach its parameters.
        folded: any folded form of it, which defines the convolutions that are int8.
        steps: by int8 convolution, the step size of its input channels (C,).
    """

    def __init__(self, net: Trainable, folded: FoldedNetwork, steps: dict[str, Tensor]) -> None:
        convs = net.convs()
        for name in folded.quantised:
            convs[name] = _rounded(convs[name], steps[name])
        super().__init__(convs)
        self._steps = steps
        self._rectified = {name for name in folded.quantised if folded.convs[name].reads in folded.rectified}

    def quantise(self, name: str, x: Tensor) -> Tensor:
        levels = (0, LEVELS + OFFSET) if name in self._rectified else (-LEVELS, LEVELS)
        return _on_grid(x, self._steps[name][:, None, None], *levels)


def input_steps(folded: FoldedNetwork, calibration: Calibration) -> dict[str, Tensor]:
    """Return the step sizes of a calibration, as `RoundedOps` requires them."""
    steps = {}
    for name in folded.quantised:
        basis = folded.convs[name].reads
        assert basis is not None
        steps[name] = torch.from_numpy(calibration.steps(name, basis)).float()
    return steps


def tuned_for_int8(
    model: zoo.Model, recipe: Recipe, source: Source, folders: list[Path], out: Path, *, validate: list[Path]
) -> zoo.Model:
    """Calibrate a float model on pictures, and fine-tune a copy of its weights with all roundings.

    Args:
        model: float model; its weights are kept as they are.
        recipe: settings of the run.
        source: batches to train on, as for `Trainer`.
        folders: folders of pictures for the calibration.
        out: folder of the run; an interrupted run is resumed.
        validate: folders of test pictures.

    Raises:
        InputError: the pictures can't be read.
        OptionError: ``out`` holds a run of another recipe, or a damaged one.
        OutputError: ``out`` can't be written to.
    """
    folded = model.folded(None)
    calibration = calibrate(folded, folders)
    steps = input_steps(folded, calibration)
    net = fresh(model.arch)
    take(net, model)
    changes = {
        "steps": recipe.int8.steps,
        "learning_rate": recipe.int8.learning_rate,
        "adam_learning_rate": recipe.int8.adam_learning_rate,
        "l2_from": 1.0,
        "equivariant": False,  # step sizes differ within a group of features
    }
    log.info("int8: fine-tuning")
    trainer = Trainer(
        net,
        recipe.model_copy(update=changes),
        with_own_output(source, model, recipe.int8.own) if recipe.int8.own else source,
        out,
        validate=validate,
        ops=lambda net: RoundedOps(net, folded, steps),
    )
    without_means = replace(calibration, means={})  # no bias correction: biases were trained with the roundings
    return replace(model, calibration=without_means, int8_weights=load_file(trainer.run()))


def with_own_output(source: Source, model: zoo.Model, share: float) -> Source:
    """Return a source of the same batches, whose target has a ``share`` of the output of a float model."""
    net = fresh(model.arch)
    take(net, model)

    @torch.no_grad()
    def mixed(batch: Batch) -> Batch:
        low, high = (net.view(torch.from_numpy(array)) for array in (batch.low, batch.high))
        target = torch.lerp(high, upscale_window(net, low, TorchOps(net.convs())), share)
        return batch._replace(low=low.numpy(), high=target.numpy())

    return lambda start: map(mixed, source(start))


def _rounded(conv: TensorConv, steps: Tensor) -> TensorConv:
    """Round the kernel as in the basis where each input channel has a step of 1."""
    scaled = conv.kernel * steps[:, None, None]
    peaks = scaled.detach().abs().amax((1, 2, 3), keepdim=True)
    grid = torch.where(peaks > 0, peaks, 1.0) / LEVELS
    return replace(conv, kernel=_on_grid(scaled, grid) / steps[:, None, None])


def _on_grid(x: Tensor, step: Tensor, least: int = -LEVELS, most: int = LEVELS) -> Tensor:
    clipped = torch.clamp(x / step, least, most)
    rounded: Tensor = (clipped + (clipped.round() - clipped).detach()) * step
    return rounded
