"""Recipes: YAML files that define how a network is trained. Those of the shipped weights ship with the package."""

from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from sr4k.common.shipped_files import shipped_names
from sr4k.common.yaml_file import Section, load_settings, validated
from sr4k.models import catalogue
from sr4k.models.architecture import LumaShape
from sr4k.models.source_quality import GRADES, WORST

_PACKAGE = "sr4k.models.training"

LARGEST_PATCH = 112
"""Largest side of a patch of clips, low-resolution pixels: that of the views of the smallest pictures, halved."""

_Number = TypeVar("_Number", int, float)


def _in_order(limits: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    if limits[0] > limits[1]:
        raise ValueError(f"must have the smaller number first: [{limits[1]}, {limits[0]}]")
    return limits


_InOrder = AfterValidator(_in_order)

Share = Annotated[float, Field(ge=0, le=1)]
"""Fraction, 0..1."""

Levels = Annotated[float, Field(ge=0, le=255)]
"""Strength of noise, 8-bit levels."""

Blur = Annotated[float, Field(gt=0, le=50)]
"""Standard deviation of a Gaussian, pixels."""

RateFactor = Annotated[int, Field(ge=0, le=51)]
"""Rate factor of libx264."""

Quantiser = Annotated[int, Field(ge=1, le=31)]
"""Quantiser of MPEG-2 and MPEG-4 Part 2."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Seed that both NumPy and PyTorch take."""

Part = Annotated[float, Field(gt=0, le=1)]
"""Fraction that is more than nothing."""

Steps = Annotated[int, Field(ge=1, le=10**9)]

Rate = Annotated[float, Field(gt=0, le=1000)]
"""Learning rate."""

_OF_PICTURES = ("patch", "keep", "resized", "softer", "relit", "equivariant")
"""Keys of a recipe that define how windows are cut from pictures and changed."""


class _Section(Section):
    """A section of a recipe: numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Clips(_Section):
    """Video clips made from the pictures (`sr4k.models.training.clips`).

    Attributes:
        versions: clips per picture.
        frames: frames per clip that patches are cut from.
        patches: patches per frame.
        patch: side of a patch, low-resolution pixels.
        crf: range of libx264's rate factor; other encoders use one of similar quality.
        size: range of the factor by which a picture is downscaled first, by area averaging, if it is large enough: the
            smaller, the more detail.
        soft: share of the clips whose ground truth is blurred.
        softness: range of the standard deviation of that Gaussian, high-resolution pixels.
        grain: maximum standard deviation of grain that the ground truth has as well, 8-bit levels; a third of the clips
            have some.
        noise: maximum standard deviation of white noise that the ground truth doesn't have; a third of the clips have
            some.
    """

    versions: Annotated[int, Field(ge=1, le=999)] = 24
    frames: Annotated[int, Field(ge=1, le=7)] = 3
    patches: Annotated[int, Field(ge=1, le=1000)] = 4
    patch: Annotated[int, Field(ge=16, le=LARGEST_PATCH, multiple_of=2)] = 64
    crf: Annotated[tuple[RateFactor, RateFactor], _InOrder] = (0, 38)
    size: Annotated[tuple[Part, Part], _InOrder] = (0.45, 1.0)
    soft: Share = 0.4
    softness: Annotated[tuple[Blur, Blur], _InOrder] = (0.3, 2.0)
    grain: Levels = 4.0
    noise: Levels = 1.5


class OldClips(Clips):
    """Clips as an old source shows them (`sr4k.models.training.old_sources`).

    Of the settings of `Clips`, ``crf`` is that of H.264, which the share ``again`` is encoded by afterwards.

    Attributes:
        grain: as in `Clips`; none by default, as grain can't be told from noise that should go.
        noise: as in `Clips`.
        crf: as in `Clips`.
        tape: share of the clips that were played from video tape.
        blur: range of the standard deviation of a tape's horizontal blur, low-resolution pixels; 0.6 is the bandwidth
            of a fresh VHS tape, of 240 lines.
        hiss: range of the standard deviation of a tape's noise, 8-bit levels.
        quantiser: range of the quantiser of MPEG-2 and MPEG-4 Part 2, 1 to 31; finer ones are drawn more often.
        again: share of the clips that were later encoded by H.264.
        resized: share of the clips that were encoded at another size first, so that their blocks have other sizes.
    """

    crf: Annotated[tuple[RateFactor, RateFactor], _InOrder] = (16, 28)
    grain: Levels = 0.0
    noise: Levels = 3.0
    tape: Share = 0.35
    blur: Annotated[tuple[Blur, Blur], _InOrder] = (0.4, 1.3)
    hiss: Annotated[tuple[Levels, Levels], _InOrder] = (1.0, 7.0)
    quantiser: Annotated[tuple[Quantiser, Quantiser], _InOrder] = (2, 24)
    again: Share = 0.35
    resized: Share = 0.2


class Crisp(_Section):
    """Train for a crisp look instead of the least error (`sr4k.models.training.crisp`).

    Attributes:
        strength: factor on the detail that is added to the ground truth: its difference from itself, blurred.
        blur: standard deviation of that Gaussian, high-resolution pixels.
        edges: share of the windows that are drawn: edges, lines and letters between flat areas.
        excursions: weight of what lies beyond the range of the ground truth nearby, in drawn windows: halos.
        clean: share of the batches that are of uncompressed sources.
        noise: maximum standard deviation of the noise in these, 8-bit levels; a third of the windows have none.
        unrest: the same for all other batches, where it stands for what a codec leaves of noise.
    """

    strength: Annotated[float, Field(gt=0, le=100)] = 0.5
    blur: Blur = 1.5
    edges: Share = 0.05
    excursions: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    clean: Share = 0.125
    noise: Levels = 1.4
    unrest: Levels = 0.5


class Quality(_Section):
    """Weights that follow how compressed the source is (`sr4k.models.training.quality_net`).

    Attributes:
        knots: qualities with a set of weights of their own, increasing, of `sr4k.models.source_quality.GRADES`.
        fixed: number of sets, from the first, that are not trained.
        shared: the sets share all parameters except the biases of the head, which learns most of the gain quickly.
        start_from: path of float weights of an earlier run with quality, from which the sets that are trained start.
        unsure: standard deviation of the error of the quality that the network is given.
        detail: factor on the detail that the trained sets add to a bicubic, applied when they are finished.
        crisp: train for a crisp look: each set starts from that of the model that training starts from, which the run
            keeps beside it.
        clips: the clips that are learned from.
    """

    knots: Annotated[tuple[int, ...], Field(min_length=1)] = GRADES
    fixed: Annotated[int, Field(ge=0, lt=len(GRADES))] = 1
    shared: bool = False
    start_from: str | None = None
    unsure: Annotated[float, Field(ge=0, le=WORST)] = 1.5
    detail: Annotated[float, Field(gt=0, le=10)] = 1.0
    crisp: Crisp | None = None
    clips: Clips = Clips()

    @model_validator(mode="after")
    def _possible(self) -> "Quality":
        if any(low >= high for low, high in pairwise(self.knots)):
            raise ValueError("knots must increase")
        if not {*self.knots} <= {*GRADES}:
            raise ValueError(f"knots must be some of {', '.join(map(str, GRADES))}")
        if self.fixed >= len(self.knots):
            raise ValueError("at least one knot must be trained: use a smaller number for fixed")
        if self.shared and self.fixed:
            raise ValueError("shared sets can't be fixed: use fixed: 0 with shared")
        if self.crisp is not None and self.fixed:
            raise ValueError("crisp sets can't be fixed: use fixed: 0 with crisp")
        return self


class Teacher(_Section):
    """Models to learn from: ``share`` of the target is the mean of their output, the rest is the ground truth.

    Attributes:
        models: names of models, or paths of weights of the recipe's model; with quality, paths of float weights of
            runs with quality, of any luma network.
        share: share of the target.
    """

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    share: Share = 0.5


class Int8(_Section):
    """Fine-tuning with rounded weights and activations, which follows the float training.

    ``own``: share of the target that is the output of the float network; the rest is that of the batches.
    ``drawn``: share of the windows that are drawn (`sr4k.models.training.drawn`), so that what photographs rarely hold
    isn't clipped; the target of these is the output of the float network.
    """

    own: Share = 0.0
    drawn: Share = 0.0
    steps: Steps = 4000
    learning_rate: Rate = 5e-4
    adam_learning_rate: Rate = 1e-4


class Recipe(_Section):
    """One training run. Learning rates: linear warm-up, then cosine to 1 %.

    Attributes:
        model: name of a network that ships and can be trained.
        start_from: name of the model of the same shape whose weights training starts from, or path of weights of
            ``model``; ``None``: a bicubic.
        start_quality: quality of the sources that those weights of a model are for (`sr4k.models.source_quality`).
        steps: number of training steps.
        batch: windows per step.
        patch: side of a window, low-resolution pixels.
        keep: share of the windows that are used, most detailed first.
        resized: factors by which each picture is resized for additional training pictures: below one by area averaging,
            above by a bicubic.
        softer: standard deviations, high-resolution pixels, of Gaussians that blur each picture for additional ones.
        relit: share of the windows whose levels are stretched, compressed or inverted, at random.
        equivariant: make the network's output rotate and mirror with its input (`sr4k.models.training.symmetry`).
        learning_rate: rate of Muon, for the kernels that may change a lot; 0.01 suits fresh networks of this size.
        adam_learning_rate: rate of Adam, for all other parameters.
        warm_up: steps of the linear warm-up.
        l2_from: share of the run after which the loss changes from L1 to L2.
        decibels: use the mean PSNR of the windows as the loss, in which soft places count as much as detailed ones.
        ema: decay of the moving average of the weights, which is the result.
        seed: seed of all random numbers.
        every: steps between reports, each with a checkpoint.
        clips: clips of old sources to learn from, instead of windows of pictures.
    """

    model: str
    start_from: str | None = None
    start_quality: Annotated[int, Field(ge=0, le=WORST)] | None = None
    steps: Steps = 40_000
    batch: Annotated[int, Field(ge=1, le=10_000)] = 16
    patch: Annotated[int, Field(ge=16, le=1024, multiple_of=2)] = 48
    keep: Part = 0.4
    resized: tuple[Annotated[float, Field(gt=0, le=4)], ...] = ()
    softer: tuple[Blur, ...] = ()
    relit: Share = 0.0
    equivariant: bool = False
    learning_rate: Rate = 0.01
    adam_learning_rate: Rate = 2e-3
    warm_up: Steps = 300
    l2_from: Share = 0.8
    decibels: bool = False
    ema: Share = 0.999
    seed: Seed = 1
    every: Steps = 1000
    teacher: Teacher | None = None
    quality: Quality | None = None
    clips: OldClips | None = None
    int8: Int8 = Int8()

    @field_validator("model")
    @classmethod
    def _can_be_trained(cls, name: str) -> str:
        if name not in catalogue.TRAINABLE:
            raise ValueError(f"must be one of {', '.join(catalogue.TRAINABLE)}: only these networks can be trained")
        return name

    @model_validator(mode="after")
    def _starts_from_the_same_shape(self) -> "Recipe":
        other = catalogue.ARCHITECTURES.get(self.start_from or "")
        if other is not None and other != catalogue.ARCHITECTURES[self.model]:
            raise ValueError(
                f"start_from: {self.start_from} has other layers than {self.model}: name a network of the same layers, "
                f"or the path of weights of {self.model}"
            )
        if self.start_quality is not None and (self.start_from is None or self.quality is not None):
            raise ValueError("start_quality selects weights of start_from, where quality is not given: remove it")
        return self

    @model_validator(mode="after")
    def _has_an_equivariant_form(self) -> "Recipe":
        if self.equivariant and self.model not in catalogue.EQUIVARIANT:
            raise ValueError(f"equivariant is for {', '.join(catalogue.EQUIVARIANT)} alone: remove it")
        return self

    @model_validator(mode="after")
    def _has_teachers_that_can_teach(self) -> "Recipe":
        known = (*catalogue.TRAINABLE, *catalogue.SHARED)
        names = () if self.teacher is None or self.quality is not None else self.teacher.models
        for name in names:
            if name in catalogue.ARCHITECTURES and name not in known:
                raise ValueError(
                    f"teacher.models: {name} can't be a teacher: name {', '.join(known)}, or a path of weights of "
                    f"{self.model}"
                )
        return self

    @model_validator(mode="after")
    def _clips_are_used_alone(self) -> "Recipe":
        """Refuse keys that clips don't use, such as those that define windows of pictures."""
        given = [key for key in ("quality", "clips") if getattr(self, key) is not None]
        idle = [key for key in _OF_PICTURES if getattr(self, key) != type(self).model_fields[key].default]
        if given and not isinstance(catalogue.ARCHITECTURES[self.model], LumaShape):
            raise ValueError(f"{given[0]} is for luma networks, which {self.model} isn't: remove it")
        if given and idle:
            raise ValueError(f"with {given[0]}, windows are the patches of its clips: remove {', '.join(idle)}")
        if self.quality is not None and self.quality.crisp is not None and not (self.decibels and self.start_from):
            raise ValueError("crisp weights need decibels: true, and start_from: the weights that they are mixed with")
        if len(given) > 1 or (self.clips is not None and self.teacher is not None):
            raise ValueError("clips of old sources are learned from alone: remove quality and teacher, or clips")
        return self

    def updated(self, **changes: Any) -> "Recipe":
        """Return a copy with some keys changed; ``None`` keeps the present value.

        Raises:
            OptionError: a value is not valid for its key.
        """
        changed = {key: value for key, value in changes.items() if value is not None}
        return validated(Recipe, self.model_dump() | changed, "option")


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship with the package."""
    return shipped_names(_PACKAGE)


def load_recipe(name: str) -> Recipe:
    """Load a shipped recipe by name, or a recipe of the user by the path of its YAML file.

    Raises:
        OptionError: there is no such recipe, or the file isn't valid; the message names the key.
    """
    return load_settings(Recipe, name, package=_PACKAGE, noun="recipe")
