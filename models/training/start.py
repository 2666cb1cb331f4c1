"""Initial networks for training: a bicubic, or given weights."""

from pathlib import Path

import torch

from sr4k.errors import OptionError
from sr4k.models import catalogue, zoo
from sr4k.models.architecture import Architecture, LumaShape, RcanShape
from sr4k.models.luma import LumaNet
from sr4k.models.rcan import TrainableRcan
from sr4k.models.training.quality_net import QualityNet

Plain = TrainableRcan | LumaNet
Net = Plain | QualityNet


def fresh(arch: Architecture) -> Plain:
    """Return an untrained network of one of `catalogue.TRAINABLE`, which is a bicubic or close to one."""
    if isinstance(arch, LumaShape):
        return LumaNet(arch)
    assert isinstance(arch, RcanShape)
    return TrainableRcan(arch)


def named(name: str, model: str, quality: int = 0) -> zoo.Model:
    """Load a model by its name, or ``model`` with weights from the path ``name``, for sources of a quality.

    Raises:
        OptionError: there is neither, or the weights don't fit.
    """
    if name in catalogue.ARCHITECTURES:
        zoo.check_shipped(name, "give the path of its weights")
        return zoo.load(name, quality=quality)
    if not Path(name).exists():
        raise OptionError(f"'{name}' is neither a network that ships nor the path of weights of {model}.")
    return zoo.load(model, Path(name), quality)


def take(net: Plain, model: zoo.Model) -> None:
    """Copy the float weights of a model of the same architecture into a network."""
    net.load_state_dict({key: torch.from_numpy(array) for key, array in model.weights.items()})
