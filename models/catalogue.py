"""Which networks there are: names and architectures, without weights. Light to import: planning a job needs it."""

from pathlib import Path

from sr4k.errors import OptionError
from sr4k.models.architecture import Architecture, Figures, LumaShape, RcanShape
from sr4k.models.foreign import store

ARCHITECTURES: dict[str, Architecture] = {
    "luma": LumaShape(features=32, convs=4),
    "luma-fast": LumaShape(features=32, convs=1),
    "luma-large": LumaShape(features=32, convs=8, stride=1),
    "luma-restore": LumaShape(features=32, convs=4),
    "rcan": RcanShape(groups=3, blocks=2, features=32),
    "rcan2": RcanShape(groups=2, blocks=2, features=16),
    "rcan-basicsr": RcanShape(groups=3, blocks=2, features=32, mean_shift=False),
    "rcan-full": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1),
    "rcan-full-x3": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1, scale=3),
    "rcan-full-x4": RcanShape(groups=10, blocks=20, features=64, reduction=16, stride=1, scale=4),
}
DEFAULT = "luma"

TRAINABLE = ("luma", "luma-fast", "luma-large", "luma-restore", "rcan", "rcan2")
"""Models that ``sr4k train`` can train; others use the weights of a checkpoint."""

EQUIVARIANT = ("luma-large",)
"""Models whose output can be trained to turn with their input: luma networks of stride 1 and groups of 8 features."""

SHARED = {"rcan-basicsr": "rcan"}
"""Models whose weights are those of another model in another form."""

LIGHTER = {"luma": "luma-fast", "luma-large": "luma"}
"""By model, the next smaller one of its kind, which takes its place where time is short."""

FOLLOWING = frozenset({"luma", "luma-fast", "luma-large"})
"""Models whose weights follow how compressed the source is."""

SHARPEST = 100
"""The largest sharpness."""


def can_sharpen(arch: Architecture) -> bool:
    """Whether there is a sharpness for a network: it adds detail to a bicubic."""
    return isinstance(arch, LumaShape)


def architecture(name: str) -> Architecture:
    """Return the architecture of a model of our own.

    Raises:
        OptionError: there is no model of that name.
    """
    if name not in ARCHITECTURES:
        if name in store.names():
            ours = ", ".join(ARCHITECTURES)
            raise OptionError(f"{name} is a network of yours, and this is for those that ship: {ours}.")
        known = store.listed(name, (*ARCHITECTURES, *store.names()), "sr4k models")
        raise OptionError(f"There is no model '{name}'. {known}.")
    return ARCHITECTURES[name]


def foreign(name: str) -> store.Foreign | None:
    """Return a network that the user brought; ``None``: the name is one of ours, or of none.

    Raises:
        OptionError: see `sr4k.models.foreign.store.find`.
    """
    return None if name in ARCHITECTURES else store.find(name)


def is_foreign(name: str) -> bool:
    """Whether a name that exists is that of a network that the user brought."""
    return name not in ARCHITECTURES


def figures(name: str) -> Figures:
    """Return the figures of a model of our own, or of one that the user brought.

    Raises:
        OptionError: there is no model of that name, or see `sr4k.models.foreign.store.find`.
    """
    found = foreign(name)
    return architecture(name) if found is None else found.card


def chain(name: str) -> tuple[str, ...]:
    """Return the networks that a picture goes through: ``clean+luma`` is the network clean, and then luma.

    Paths of files that exist may have plus signs in them.
    """
    pieces, found = name.split("+"), []
    while pieces:
        count = next((k for k in range(len(pieces), 1, -1) if _is_file("+".join(pieces[:k]))), 1)
        found.append("+".join(pieces[:count]))
        del pieces[:count]
    return tuple(found)


def _is_file(name: str) -> bool:
    try:
        return store.is_path(name) and Path(name).expanduser().is_file()
    except OSError:  # it is too long for one
        return False
