"""Which networks there are: names and architectures, without weights. Light to import: planning a job needs it."""

from sr4k.errors import OptionError
from sr4k.models.architecture import Architecture, LumaShape, RcanShape

ARCHITECTURES: dict[str, Architecture] = {
    "luma": LumaShape(features=32, convs=4),
    "luma-fast": LumaShape(features=32, convs=1),
    "luma-large": LumaShape(features=32, convs=8, stride=1),
    "rcan": RcanShape(groups=3, blocks=2, features=32),
    "rcan2": RcanShape(groups=2, blocks=2, features=16),
    "rcan-basicsr": RcanShape(groups=3, blocks=2, features=32, mean_shift=False),
    "rcan-full": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1),
    "rcan-full-x3": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1, scale=3),
    "rcan-full-x4": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1, scale=4),
}
DEFAULT = "luma"

SHARED = {"rcan-basicsr": "rcan"}
"""Models whose weights are those of another model in another form."""

LIGHTER = {"luma": "luma-fast", "luma-large": "luma"}
"""By model, the next smaller one of its kind, which takes its place where time is short."""

SHARPEST = 100
"""The largest sharpness."""


def can_sharpen(arch: Architecture) -> bool:
    """Whether `sr4k.models.zoo.Model.sharpened` works: the network adds detail to a bicubic."""
    return isinstance(arch, LumaShape)


def architecture(name: str) -> Architecture:
    """Return the architecture of a model.

    Raises:
        OptionError: there is no model of that name.
    """
    if name not in ARCHITECTURES:
        raise OptionError(f"There is no model '{name}'. Known: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]
