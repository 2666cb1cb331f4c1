"""From a recipe and pictures to a model: float training, calibration, fine-tuning for int8, plot."""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.numpy import load_file

from sr4k.errors import OptionError
from sr4k.models import zoo
from sr4k.models.plotting import require_plotting
from sr4k.models.training.calibrate import calibrate
from sr4k.models.training.data import Pair, load_pairs
from sr4k.models.training.int8 import RoundedOps, input_steps
from sr4k.models.training.plot import plot_history
from sr4k.models.training.recipe import Recipe
from sr4k.models.training.teach import taught
from sr4k.models.training.train import HISTORY, Net, Trainer, fresh

log = logging.getLogger(__name__)


def train_model(recipe: Recipe, folders: list[Path], out: Path, *, validate: list[Path]) -> zoo.Model:
    """Train, or go on where a run in ``out`` was interrupted; writes the model's files and ``training.png`` there.

    Args:
        folders: pictures to learn from, searched recursively.
        validate: folders of test pictures.

    Raises:
        InputError: no picture, or none large enough.
        OptionError: no training for that model, no such teacher or start, ``out`` holds a run of another recipe or a
            damaged one, or matplotlib is missing.
        OutputError: ``out`` can't be written to.
    """
    require_plotting()  # what the end of it lacks is told before hours of work
    torch.manual_seed(recipe.seed)
    net = fresh(zoo.architecture(recipe.model))
    if recipe.start_from is not None:
        _load(net, _named(recipe.start_from, recipe.model))
    pairs = load_pairs(
        folders,
        patch=recipe.patch,
        keep=recipe.keep,
        resized=recipe.resized,
        softer=recipe.softer,
        degradation=recipe.degradation,
        seed=recipe.seed,
    )
    if recipe.teacher is not None:
        teachers = [_named(name, recipe.model).folded(None) for name in recipe.teacher.models]
        pairs = list(taught(pairs, teachers, recipe.teacher.share))
    log.info("%d pictures, %d windows", len(pairs), sum(len(pair.windows) for pair in pairs))
    weights = load_file(Trainer(net, recipe, pairs, out / "float", validate=validate).run())
    model = zoo.Model(recipe.model, net.arch, weights)
    model = tuned_for_int8(model, recipe, pairs, folders, out / "int8", validate=validate)
    zoo.save(out, model)
    plot_history([out / "float" / HISTORY, out / "int8" / HISTORY], out / "training.png")
    return model


def tuned_for_int8(
    model: zoo.Model, recipe: Recipe, pairs: list[Pair], folders: list[Path], out: Path, *, validate: list[Path]
) -> zoo.Model:
    """Calibrate a float model, and fine-tune a copy of its weights with the roundings in place."""
    folded = model.folded(None)
    calibration = calibrate(folded, folders)
    steps = input_steps(folded, calibration)
    net = fresh(model.arch)
    _load(net, model)
    changes = {
        "steps": recipe.int8.steps,
        "learning_rate": recipe.int8.learning_rate,
        "adam_learning_rate": recipe.int8.adam_learning_rate,
        "l2_from": 1.0,
        "equivariant": False,  # the steps of a group's features differ
    }
    log.info("int8: fine-tuning")
    trainer = Trainer(
        net,
        recipe.model_copy(update=changes),
        pairs,
        out,
        validate=validate,
        ops=lambda net: RoundedOps(net, folded, steps),
    )
    without_means = replace(calibration, means={})  # biases were trained with the roundings
    return zoo.Model(model.name, model.arch, model.weights, without_means, load_file(trainer.run()))


def _named(name: str, model: str) -> zoo.Model:
    """A model by its name, or ``model`` with weights by their path."""
    if name in zoo.ARCHITECTURES:
        return zoo.load(name)
    if not Path(name).exists():
        raise OptionError(f"'{name}' is neither a model nor the path of weights of {model}.")
    return zoo.load(model, Path(name))


def _load(net: Net, model: zoo.Model) -> None:
    net.load_state_dict({key: torch.from_numpy(array) for key, array in model.weights.items()})
