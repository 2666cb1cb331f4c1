"""Whether weights are those of a network."""

from collections.abc import Mapping
from pathlib import Path

from sr4k.errors import OptionError
from sr4k.models.architecture import Architecture

_LISTED = 6
"""Differences named in an error; the others are counted."""


def check_fit(path: Path, name: str, arch: Architecture, found: Mapping[str, tuple[int, ...]]) -> None:
    """Hold the shapes of the tensors in a file against those of a network.

    Raises:
        OptionError: they differ; names keys and shapes.
    """
    if differences := _differences(arch.shapes(), found):
        more = f" and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise OptionError(f"{path} does not fit {name}: {'; '.join(differences[:_LISTED])}{more}.")


def _differences(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> list[str]:
    wrong = [f"{k} is {found[k]}, not {expected[k]}" for k in expected if k in found and found[k] != expected[k]]
    missing = [f"{key} is missing" for key in expected if key not in found]
    unknown = [f"{key} is not known" for key in found if key not in expected]
    return wrong + missing + unknown
