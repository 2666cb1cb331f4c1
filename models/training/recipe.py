"""Recipes: YAML files that say how a network is trained. Those of the shipped weights ship with the package."""

from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, model_validator

from sr4k.common.yaml_file import Section, load_settings, shipped_names, validated

_PACKAGE = "sr4k.models.training"

Share = Annotated[float, Field(ge=0, le=1)]


_OF_PICTURES = ("patch", "keep", "resized", "softer", "relit", "equivariant", "degradation")
"""Keys of a recipe that say what windows of pictures are."""


class Degradation(Section):
    """What low-resolution pictures went through: each a range that is drawn from for every version of a picture.

    Attributes:
        versions: of each picture.
        clean: share of the versions that are left as they are.
        soft: share of the others whose ground truth is blurred.
        softness: standard deviation of that Gaussian, high-resolution pixels.
        blur: standard deviation of a Gaussian on the low resolution alone, its pixels.
        noise: standard deviation of white noise, 8-bit levels.
        crf: of libx264; libx265's is two more for the like quality.
    """

    versions: Annotated[int, Field(ge=1)] = 4
    clean: Share = 0.1
    soft: Share = 0.7
    softness: tuple[float, float] = (0.0, 2.0)
    blur: tuple[float, float] = (0.0, 0.3)
    noise: tuple[float, float] = (0.0, 1.5)
    crf: tuple[int, int] = (17, 34)


class Clips(Section):
    """Video made of the pictures (`sr4k.models.training.clips`).

    Attributes:
        versions: clips of each picture.
        frames: of a clip that patches are of.
        patches: of a frame.
        patch: side of one, low-resolution pixels.
        crf: range of libx264's rate factor; other encoders get one of like quality.
        size: range of a factor that a picture is shrunk by first, by averages over areas, where it is large enough: the
            smaller, the more detail.
        soft: share of the clips whose truth is blurred.
        softness: range of the standard deviation of that Gaussian, high-resolution pixels.
        grain: most of the standard deviation of grain that the truth has as well, 8-bit levels; a third of the clips
            has some.
        noise: most of that of white noise that the truth has not; likewise.
    """

    versions: Annotated[int, Field(ge=1)] = 24
    frames: Annotated[int, Field(ge=1, le=7)] = 3
    patches: Annotated[int, Field(ge=1)] = 4
    patch: Annotated[int, Field(ge=16, multiple_of=2)] = 64
    crf: tuple[int, int] = (0, 38)
    size: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(le=1)]] = (0.45, 1.0)
    soft: Share = 0.4
    softness: tuple[float, float] = (0.3, 2.0)
    grain: Annotated[float, Field(ge=0)] = 4.0
    noise: Annotated[float, Field(ge=0)] = 1.5


class Quality(Section):
    """Weights that follow how compressed the source is (`sr4k.models.training.quality_net`).

    Attributes:
        knots: qualities that have a set of weights of their own, rising; the first is of sources that nothing was taken
            from.
        fixed: how many of the first sets stay as they are.
        shared: whether the sets are one but for the biases of the head. That learns the most of it quickly.
        start_from: path of float weights of an earlier run with quality, which the sets that are not fixed start from.
        unsure: standard deviation of what the quality that is told is wrong by.
        clips: what it learns from.
    """

    knots: Annotated[tuple[Annotated[float, Field(ge=0, le=51)], ...], Field(min_length=1)] = (
        0,
        14,
        20,
        25,
        30,
        35,
        40,
    )
    fixed: Annotated[int, Field(ge=0)] = 1
    shared: bool = False
    start_from: str | None = None
    unsure: Annotated[float, Field(ge=0)] = 1.5
    clips: Clips = Clips()

    @model_validator(mode="after")
    def _possible(self) -> "Quality":
        if any(low >= high for low, high in pairwise(self.knots)):
            raise ValueError("knots have to rise")
        if self.fixed >= len(self.knots):
            raise ValueError("of the knots, one at least has to learn: take fewer that are fixed")
        if self.shared and self.fixed:
            raise ValueError("sets that are one can't be fixed: take fixed: 0 with shared")
        return self


class Teacher(Section):
    """Models to learn from: ``share`` of the target is the mean of their pictures.

    Attributes:
        models: each the name of a model, or the path of weights of the recipe's own; with quality, of weights that
            training with quality made, of any luma network.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    share: Share = 0.5


class Int8(Section):
    """Fine-tuning with rounded weights and activations, after the float training."""

    steps: Annotated[int, Field(ge=1)] = 4000
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    adam_learning_rate: Annotated[float, Field(gt=0)] = 1e-4


class Recipe(Section):
    """One training run. Learning rates: linear warm-up, then cosine to 1 %.

    Attributes:
        model: name of the network in the zoo.
        start_from: name of the model whose weights it starts from, or the path of weights of its own; ``None``: from a
            bicubic.
        patch: side of a window, low-resolution pixels.
        keep: share of the windows, most detailed first.
        resized: factors on its size by which every picture is taken as well: below one by averages over areas, above by
            a bicubic.
        softer: standard deviations, high-resolution pixels, of Gaussians through which every picture is taken as well.
        relit: share of the windows whose levels are stretched, compressed or inverted, at random.
        equivariant: whether what the network makes turns with the picture, exactly (`sr4k.models.training.symmetry`).
        learning_rate: of Muon, for the kernels that may change freely; fresh networks of this size like 0.01.
        adam_learning_rate: of Adam, for all else.
        l2_from: share of the run after which the loss turns from L1 to L2.
        decibels: whether the loss is the mean of the windows' PSNR instead, in which soft places count as much as those
            full of detail.
        ema: decay of the moving average of the weights, which is what is kept.
    """

    model: str
    start_from: str | None = None
    steps: Annotated[int, Field(ge=1)] = 40_000
    batch: Annotated[int, Field(ge=1)] = 16
    patch: Annotated[int, Field(ge=16, multiple_of=2)] = 48
    keep: Annotated[float, Field(gt=0, le=1)] = 0.4
    resized: tuple[Annotated[float, Field(gt=0, le=4)], ...] = ()
    softer: tuple[Annotated[float, Field(gt=0)], ...] = ()
    relit: Share = 0.0
    equivariant: bool = False
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    adam_learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    warm_up: Annotated[int, Field(ge=1)] = 300
    l2_from: Share = 0.8
    decibels: bool = False
    ema: Share = 0.999
    seed: int = 1
    every: Annotated[int, Field(ge=1)] = 1000
    degradation: Degradation | None = None
    teacher: Teacher | None = None
    quality: Quality | None = None
    int8: Int8 = Int8()

    @model_validator(mode="after")
    def _qualities_have_clips(self) -> "Recipe":
        """What says how pictures are cut and changed is not for clips."""
        idle = [key for key in _OF_PICTURES if getattr(self, key) != type(self).model_fields[key].default]
        if self.quality is not None and idle:
            raise ValueError(f"with quality, windows are the patches of its clips: leave out {', '.join(idle)}")
        return self

    def updated(self, **changes: Any) -> "Recipe":
        """A copy with some keys changed; ``None`` leaves a key as it is.

        Raises:
            OptionError: a value that the key can't have.
        """
        changed = {key: value for key, value in changes.items() if value is not None}
        return validated(Recipe, self.model_dump() | changed, "option")


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    return shipped_names(_PACKAGE)


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or one of the user's by the path of its YAML file.

    Raises:
        OptionError: no such recipe, or the file is not a valid one; names the key.
    """
    return load_settings(Recipe, name, package=_PACKAGE, noun="recipe")
