"""Train a model from a recipe and pictures: float training, calibration, fine-tuning for int8, plot."""

import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.numpy import load_file

from sr4k.common.plotting import require_plotting
from sr4k.models import catalogue, zoo
from sr4k.models.quality.image_files import hash_of_pictures
from sr4k.models.quality.testset import check_pictures, titles_of
from sr4k.models.training.data import Batch, batches, load_pairs
from sr4k.models.training.history import HISTORY
from sr4k.models.training.int8 import tuned_for_int8
from sr4k.models.training.patch_cache import batches_of, make_cache
from sr4k.models.training.plot_history import plot_history
from sr4k.models.training.recipe import OldClips, Recipe
from sr4k.models.training.saved_run import FLOAT, check_same_run
from sr4k.models.training.start import fresh, named, take
from sr4k.models.training.teach import taught
from sr4k.models.training.train import Source, Trainer
from sr4k.models.training.train_qualities import CLIPS, train_qualities

log = logging.getLogger(__name__)


def train_model(recipe: Recipe, folders: list[Path], out: Path, *, validate: list[Path]) -> zoo.Model:
    """Train a model, or resume the run in ``out``; write the model's files and ``training.png`` there.

    A recipe with qualities makes a model for each, in a folder of its own (`train_qualities`).

    Args:
        folders: folders of training pictures, searched recursively.
        out: folder of the run.
        validate: folders of test pictures.

    Raises:
        InputError: no picture, none large enough, or its clips lack a quality that is trained; or a test picture is
            missing or too small.
        OptionError: a folder of ``validate`` is given twice, the start or a teacher is missing, ``out`` holds a run of
            another recipe or on other pictures, or a damaged one, the training diverges, or matplotlib is missing.
        OutputError: ``out`` can't be written to.
    """
    require_plotting()  # fail now rather than after hours of work
    for folder in titles_of(validate).values():
        check_pictures(folder)
    torch.manual_seed(recipe.seed)
    if recipe.quality is not None:
        return train_qualities(recipe, recipe.quality, folders, out, validate=validate)
    net = fresh(catalogue.architecture(recipe.model))
    if recipe.start_from is not None:
        take(net, named(recipe.start_from, recipe.model, recipe.start_quality or 0))
    pictures = hash_of_pictures(folders)
    check_same_run(out, recipe, pictures)
    source = _windows(recipe, folders) if recipe.clips is None else _patches(recipe, recipe.clips, folders, out)
    trainer = Trainer(net, recipe, source, out / FLOAT, pictures=pictures, validate=validate)
    weights = load_file(trainer.run())
    model = zoo.Model(recipe.model, net.arch, weights)
    model = tuned_for_int8(model, recipe, source, folders, out / "int8", pictures=pictures, validate=validate)
    zoo.save(out, model)
    plot_history([out / FLOAT / HISTORY, out / "int8" / HISTORY], out / "training.png")
    return model


def _windows(recipe: Recipe, folders: list[Path]) -> Source:
    """Return batches of windows of pictures."""
    r = recipe
    teachers = [] if r.teacher is None else [named(name, r.model).folded(None) for name in r.teacher.models]
    pairs = load_pairs(folders, patch=r.patch, keep=r.keep, resized=r.resized, softer=r.softer)
    if r.teacher is not None:
        pairs = list(taught(pairs, teachers, r.teacher.share))
    log.info("%d pictures, %d windows", len(pairs), sum(len(pair.windows) for pair in pairs))

    def source(start: int) -> Iterator[Batch]:
        return batches(pairs, patch=r.patch, batch=r.batch, seed=r.seed, start=start, relit=r.relit)

    return source


def _patches(recipe: Recipe, clips: OldClips, folders: list[Path], out: Path) -> Source:
    """Return batches of patches of clips, of any quality each."""
    cache = make_cache(folders, clips, recipe.seed, out / CLIPS)
    log.info("%d patches", len(cache.facts))

    def source(start: int) -> Iterator[Batch]:
        return batches_of(cache, batch=recipe.batch, unsure=0.0, seed=recipe.seed, start=start, alike=1.0)

    return source
