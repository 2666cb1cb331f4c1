"""Train a network whose weights depend on its source's quality, and make the plain models at its knots."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from sr4k.errors import OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import LumaShape
from sr4k.models.quality.image_files import hash_of_pictures
from sr4k.models.training.crisp import CLEAN, LEVEL, crisp_source
from sr4k.models.training.data import Batch
from sr4k.models.training.history import HISTORY
from sr4k.models.training.int8 import tuned_for_int8
from sr4k.models.training.patch_cache import Cache, batches_of, make_cache, of_quality, quality_of
from sr4k.models.training.plot_history import plot_history
from sr4k.models.training.quality_net import QualityNet
from sr4k.models.training.recipe import Quality, Recipe
from sr4k.models.training.saved_run import FLOAT, check_same_run
from sr4k.models.training.start import named, take
from sr4k.models.training.teach import taught_cache
from sr4k.models.training.train import Source, Trainer

log = logging.getLogger(__name__)

CLIPS, TAUGHT = "clips", "taught"
"""Subfolders of a run for patches, and for patches with a teacher's output mixed in; runs can share them."""


def train_qualities(
    recipe: Recipe, quality: Quality, folders: list[Path], out: Path, *, validate: list[Path]
) -> zoo.Model:
    """Train, or resume the run in ``out``; write the model of each knot to ``out``, each in files of its own.

    Fixed sets are those of the model that training starts from, with its int8 calibration.

    Args:
        recipe: settings of the run.
        quality: its section on quality.
        folders: folders of pictures to make clips from, searched recursively.
        out: folder of the run.
        validate: folders of test pictures, which the first set is measured on.

    Returns:
        The model of the last knot.

    Raises:
        InputError: there are no pictures, none is large enough, or their clips lack a quality that is trained.
        OptionError: the start or a teacher is missing, or ``out`` holds another run.
        OutputError: ``out`` can't be written to.
    """
    arch = catalogue.architecture(recipe.model)
    assert isinstance(arch, LumaShape)
    net = started(arch, recipe, quality)
    teachers = [] if recipe.teacher is None else [QualityNet.load(Path(name)) for name in recipe.teacher.models]
    pictures = hash_of_pictures(folders)
    check_same_run(out, recipe, pictures)
    cache = make_cache(folders, quality.clips, recipe.seed, out / CLIPS)
    check_qualities(cache, quality)
    if recipe.teacher is not None:
        cache = taught_cache(cache, teachers, recipe.teacher.share, out / TAUGHT)
    log.info("%d patches", len(cache.facts))
    trainer = Trainer(net, recipe, _source(cache, recipe, quality), out / FLOAT, pictures=pictures, validate=validate)
    net.load_state_dict(load_file(trainer.run()))
    plot_history([out / FLOAT / HISTORY], out / "training.png")
    for k in range(quality.fixed):
        zoo.save(out, _fixed(recipe, net, k, quality.knots[k]))
    if recipe.start_from is not None and quality.crisp is not None:
        for knot in quality.knots:  # what the crisp ones are mixed with
            zoo.save(out, replace(named(recipe.start_from, recipe.model, knot), name=recipe.model, grade=knot))
    for k in range(quality.fixed, len(quality.knots)):
        weights = {name: tensor.numpy() for name, tensor in net.plain()[k].state_dict().items()}
        model = zoo.Model(recipe.model, arch, weights, grade=quality.knots[k], crisp=quality.crisp is not None)
        near = _source(cache, recipe, quality, k)
        beside = out / f"int8-{model.grade:02d}"
        model = tuned_for_int8(model, recipe, near, folders, beside, pictures=pictures, validate=validate)
        model = model.with_detail(quality.detail)
        zoo.save(out, model)
    return model


def _fixed(recipe: Recipe, net: QualityNet, k: int, knot: int) -> zoo.Model:
    """Return the model of a set that was not trained."""
    if recipe.start_from is not None:
        return replace(named(recipe.start_from, recipe.model), name=recipe.model, grade=knot)
    weights = {name: tensor.numpy() for name, tensor in net.plain()[k].state_dict().items()}
    return zoo.Model(recipe.model, net.arch, weights, grade=knot)


def started(arch: LumaShape, recipe: Recipe, quality: Quality) -> QualityNet:
    """Return the network with the initial weights that a recipe defines.

    Raises:
        OptionError: those weights are missing, or of another shape.
    """
    beyond = None if quality.crisp is None else zoo.HALO * LEVEL
    net = QualityNet(arch, quality.knots, fixed=quality.fixed, shared=quality.shared, beyond=beyond)
    if recipe.start_from is not None:
        for knot, part in zip(quality.knots, net.plain(), strict=True):
            take(part, named(recipe.start_from, recipe.model, 0 if quality.crisp is None else knot))
    if quality.start_from is None:
        return net
    earlier = QualityNet.load(Path(quality.start_from))
    if earlier.arch != arch:
        raise OptionError(f"{quality.start_from} doesn't hold weights of {recipe.model}.")
    for knot, part in list(zip(quality.knots, net.plain(), strict=True))[quality.fixed :]:
        part.load_state_dict(earlier.at(knot).weights)
    return net


def check_qualities(cache: Cache, quality: Quality) -> None:
    """Check, before hours of training, that there are patches for each set that is trained.

    Raises:
        InputError: there are none for one of them.
    """
    needed = [_beside(quality.knots, k) for k in range(quality.fixed, len(quality.knots))]
    if quality.crisp is not None and (quality.crisp.clean or 0 in quality.knots):
        needed.append(CLEAN)
    found = quality_of(cache.facts)
    for within in needed:
        of_quality(found, within)


def _beside(knots: tuple[int, ...], k: int) -> tuple[float, float]:
    """Return the range of qualities for which a knot's weights count most."""
    below = (knots[k - 1] + knots[k]) / 2 if k else 0.0
    above = (knots[k] + knots[k + 1]) / 2 if k + 1 < len(knots) else float("inf")
    return below, above


def _source(cache: Cache, r: Recipe, quality: Quality, k: int | None = None) -> Source:
    """Return a source of batches for all sets, or for that of one knot."""
    within = (0.0, float("inf")) if k is None else _beside(quality.knots, k)
    if quality.crisp is not None:
        clean = quality.crisp.clean if k is None else float(quality.knots[k] == 0)
        return crisp_source(
            cache, quality.crisp, batch=r.batch, unsure=quality.unsure, seed=r.seed, clean=clean, within=within
        )

    def source(start: int) -> Iterator[Batch]:
        return batches_of(cache, batch=r.batch, unsure=quality.unsure, seed=r.seed, start=start, within=within)

    return source
