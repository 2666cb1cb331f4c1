"""Fine-tune for int8: calibrate a float model, and train a copy of it as it is deployed, with every rounding."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from sr4k.models import zoo
from sr4k.models.execute import TorchOps, Trainable, upscale_window
from sr4k.models.training.calibrate import calibrate
from sr4k.models.training.data import Batch
from sr4k.models.training.drawn import drawn
from sr4k.models.training.int8_net import Int8Net
from sr4k.models.training.recipe import Int8, Recipe
from sr4k.models.training.start import fresh, take
from sr4k.models.training.train import Source, Trainer

log = logging.getLogger(__name__)


def tuned_for_int8(
    model: zoo.Model,
    recipe: Recipe,
    source: Source,
    folders: list[Path],
    out: Path,
    *,
    pictures: str,
    validate: list[Path],
) -> zoo.Model:
    """Calibrate a float model on pictures, and fine-tune a copy of its weights with all roundings.

    Args:
        model: float model; its weights are kept as they are.
        recipe: settings of the run.
        source: batches to train on, as for `Trainer`.
        folders: folders of pictures for the calibration.
        out: folder of the run; an interrupted run is resumed.
        pictures: hash of the pictures of these folders, as for `Trainer`.
        validate: folders of test pictures.

    Raises:
        InputError: the pictures can't be read.
        OptionError: ``out`` holds a run of another recipe or on other pictures, or a damaged one.
        OutputError: ``out`` can't be written to.
    """
    folded = model.folded(None)
    plain = fresh(model.arch)
    take(plain, model)
    net = Int8Net(plain, folded, calibrate(folded, folders))
    changes = {
        "steps": recipe.int8.steps,
        "learning_rate": recipe.int8.learning_rate,
        "adam_learning_rate": recipe.int8.adam_learning_rate,
        "l2_from": 1.0,
        "equivariant": False,  # step sizes differ within a group of features
    }
    log.info("int8: fine-tuning, %d steps", recipe.int8.steps)
    trainer = Trainer(
        net,
        recipe.model_copy(update=changes),
        with_own_output(source, model, recipe.int8),
        out,
        pictures=pictures,
        validate=validate,
        ops=_rounded,
    )
    net.load_state_dict(load_file(trainer.run()))
    weights = {name: tensor.detach().numpy() for name, tensor in plain.state_dict().items()}
    return replace(model, calibration=net.calibration(), int8_weights=weights)


def with_own_output(source: Source, model: zoo.Model, settings: Int8) -> Source:
    """Return a source of the same batches, with what the settings take from the float model.

    A share ``own`` of each target is the output of that model, and a share ``drawn`` of the windows is drawn
    (`sr4k.models.training.drawn`), with that output alone as the target.
    """
    net = fresh(model.arch)
    take(net, model)

    @torch.no_grad()
    def mixed(batch: Batch, number: int) -> Batch:
        low, high = (net.view(torch.from_numpy(array)).clone() for array in (batch.low, batch.high))
        count = round(settings.drawn * len(low))
        low[:count] = torch.from_numpy(drawn(count, low.shape[-1], number)).expand(-1, low.shape[1], -1, -1)
        target = upscale_window(net, low, TorchOps(net.convs()))
        target[count:] = torch.lerp(high, target, settings.own)[count:]
        return batch._replace(low=low.numpy(), high=target.numpy())

    def batches(start: int) -> Iterator[Batch]:
        return map(mixed, source(start), itertools.count(start))

    return batches if settings.own or settings.drawn else source


def _rounded(net: Trainable) -> TorchOps:
    assert isinstance(net, Int8Net)
    return net.rounded()
