"""Training of a network whose weights follow how compressed its source is, and of the plain models at its knots."""

import logging
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file

from sr4k.errors import OptionError
from sr4k.models import zoo
from sr4k.models.architecture import LumaShape
from sr4k.models.training.data import Batch
from sr4k.models.training.int8 import tuned_for_int8
from sr4k.models.training.patch_cache import Cache, batches_of, make_cache
from sr4k.models.training.plot_history import plot_history
from sr4k.models.training.quality_net import QualityNet
from sr4k.models.training.recipe import Quality, Recipe
from sr4k.models.training.start import named, take
from sr4k.models.training.teach import taught_cache
from sr4k.models.training.train import HISTORY, Source, Trainer

log = logging.getLogger(__name__)

CLIPS, TAUGHT = "clips", "taught"
"""Folders of the patches within that of the run, as they are and with what a teacher makes of them: another run may
have them, linked or copied."""


def train_qualities(
    recipe: Recipe, quality: Quality, folders: list[Path], out: Path, *, validate: list[Path]
) -> zoo.Model:
    """Train, or go on where a run in ``out`` was interrupted; each knot's model is in a folder ``qNN`` of ``out``.

    The sets that are fixed are models there are, and get no folder.

    Args:
        folders: pictures to make clips of, searched recursively.
        validate: folders of test pictures, which the first set is measured on.

    Returns:
        The model of the last knot.

    Raises:
        InputError: no picture, or none large enough.
        OptionError: the model is none on luma, its start or a teacher is missing, or ``out`` holds another run.
        OutputError: ``out`` can't be written to.
    """
    arch = zoo.architecture(recipe.model)
    if not isinstance(arch, LumaShape):
        raise OptionError(f"Qualities are for luma networks; {recipe.model} is none.")
    net = started(arch, recipe, quality)
    cache = make_cache(folders, quality.clips, recipe.seed, out / CLIPS)
    if recipe.teacher is not None:
        teachers = [QualityNet.load(Path(name)) for name in recipe.teacher.models]
        cache = taught_cache(cache, teachers, recipe.teacher.share, out / TAUGHT)
    log.info("%d patches", len(cache.facts))
    trainer = Trainer(net, recipe, _source(cache, recipe, quality), out / "float", validate=validate)
    net.load_state_dict(load_file(trainer.run()))
    plot_history([out / "float" / HISTORY], out / "training.png")
    for k in range(quality.fixed, len(quality.knots)):
        folder = knot_folder(out, quality.knots[k])
        weights = {name: tensor.numpy() for name, tensor in net.plain()[k].state_dict().items()}
        model = zoo.Model(recipe.model, arch, weights)
        near = _source(cache, recipe, quality, within=_beside(quality.knots, k))
        model = tuned_for_int8(model, recipe, near, folders, folder / "int8", validate=validate)
        zoo.save(folder, model)
    return model


def knot_folder(out: Path, knot: float) -> Path:
    """Where in a run's folder the model of a knot is."""
    return out / f"q{knot:02.0f}"


def started(arch: LumaShape, recipe: Recipe, quality: Quality) -> QualityNet:
    """The network as a recipe has it start.

    Raises:
        OptionError: what it starts from is missing, or of another shape.
    """
    net = QualityNet(arch, quality.knots, fixed=quality.fixed, shared=quality.shared)
    if recipe.start_from is not None:
        for part in net.plain():
            take(part, named(recipe.start_from, recipe.model))
    if quality.start_from is None:
        return net
    earlier = QualityNet.load(Path(quality.start_from))
    if earlier.arch != arch:
        raise OptionError(f"{quality.start_from} is not of {recipe.model}.")
    for knot, part in list(zip(quality.knots, net.plain(), strict=True))[quality.fixed :]:
        part.load_state_dict(earlier.at(knot).weights)
    return net


def _beside(knots: tuple[float, ...], k: int) -> tuple[float, float]:
    """Qualities for which a knot's weights count most."""
    below = (knots[k - 1] + knots[k]) / 2 if k else 0.0
    above = (knots[k] + knots[k + 1]) / 2 if k + 1 < len(knots) else float("inf")
    return below, above


def _source(cache: Cache, r: Recipe, quality: Quality, within: tuple[float, float] = (0.0, float("inf"))) -> Source:
    def source(start: int) -> Iterator[Batch]:
        return batches_of(cache, batch=r.batch, unsure=quality.unsure, seed=r.seed, start=start, within=within)

    return source
