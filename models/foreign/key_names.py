"""Names of weights in the forms of other training programs, turned into those that resselt loads.

resselt recognises ESRGAN in BasicSR's names, as Real-ESRGAN has them, and in BSRGAN's, but loads the names of ESRGAN's
first form alone. RCAN it knows in the official names alone.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sr4k.models.architecture import RGB_MEAN

_Names = Sequence[tuple[str, str]]
"""Patterns of the beginnings of keys, and their replacements."""

_PEAK = 255
"""White, as the mean shift of RCAN has it."""


def with_known_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a network by the names that resselt loads; other networks stay as they are.

    Args:
        state: weights by name, without a prefix that all of them share.
    """
    if any(f"{block}.conv1.weight" in state for block in ("body.0.rdb1", "RRDB_trunk.0.RDB1")):
        return _renamed(state, _esrgan_names(state))
    if "body.0.residual_group.0.rcab.0.weight" in state:
        return _renamed(state, _rcan_names(state)) | _mean_shifts()
    return dict(state)


def _renamed(state: Mapping[str, Tensor], names: _Names) -> dict[str, Tensor]:
    return {_new_name(key, names): tensor for key, tensor in state.items()}


def _new_name(key: str, names: _Names) -> str:
    for pattern, replacement in names:
        if match := re.match(pattern, key):
            return match.expand(replacement) + key[match.end() :]
    return key


def _esrgan_names(state: Mapping[str, Tensor]) -> _Names:
    blocks = _number(state, r"(?:body|RRDB_trunk)\.")
    ups = [int(match[1]) for key in state if (match := re.match(r"(?:conv_up|upconv)(\d)\.weight$", key))]
    end = 3 * max(ups, default=0)  # each of them follows an enlargement and precedes a ReLU
    return [
        (r"conv_first\.", "model.0."),
        (r"(?:body|RRDB_trunk)\.(\d+)\.(?:rdb|RDB)(\d)\.(conv\d)\.", r"model.1.sub.\1.RDB\2.\3.0."),
        (r"(?:conv_body|trunk_conv)\.", f"model.1.sub.{blocks}."),
        *((rf"(?:conv_up|upconv){up}\.", f"model.{3 * up}.") for up in ups),
        (r"(?:conv_hr|HRconv)\.", f"model.{end + 2}."),
        (r"conv_last\.", f"model.{end + 4}."),
    ]


def _rcan_names(state: Mapping[str, Tensor]) -> _Names:
    groups = _number(state, r"body\.")
    blocks = _number(state, r"body\.0\.residual_group\.")
    block = r"body\.(\d+)\.residual_group\.(\d+)\.rcab\."
    return [
        (r"conv_first\.", "head.0."),
        (rf"{block}3\.attention\.1\.", r"body.\1.body.\2.body.3.conv_du.0."),
        (rf"{block}3\.attention\.3\.", r"body.\1.body.\2.body.3.conv_du.2."),
        (rf"{block}(\d)\.", r"body.\1.body.\2.body.\3."),
        (r"body\.(\d+)\.conv\.", rf"body.\1.body.{blocks}."),
        (r"conv_after_body\.", f"body.{groups}."),
        (r"upsample\.", "tail.0."),
        (r"conv_last\.", "tail.1."),
    ]


def _number(state: Mapping[str, Tensor], sequence: str) -> int:
    """Return the number of parts in a sequence, from the largest index that keys have after the pattern of its name."""
    found = (re.match(rf"{sequence}(\d{{1,4}})\.", key) for key in state)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def _mean_shifts() -> dict[str, Tensor]:
    """Return the weights of the official RCAN for the mean colour, which BasicSR has as settings."""
    mean, same = _PEAK * torch.tensor(RGB_MEAN), torch.eye(3).view(3, 3, 1, 1)
    return {
        "sub_mean.weight": same,
        "sub_mean.bias": -mean,
        "add_mean.weight": same,
        "add_mean.bias": mean,
    }
