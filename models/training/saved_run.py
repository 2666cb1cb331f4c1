"""What an interrupted run has saved: read, and compared with the recipe and pictures that are to continue it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sr4k.errors import OptionError
from sr4k.models.checkpoint import check_archive
from sr4k.models.training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"

FLOAT = "float"
"""Subfolder of a run for its float training."""


def check_same_run(out: Path, recipe: Recipe, pictures: str) -> None:
    """Check that a folder holds no other run, before anything is made for a run that would go there.

    Args:
        out: the folder.
        recipe: of the run.
        pictures: hash of those that it is trained on (`sr4k.models.quality.image_files.hash_of_pictures`).

    Raises:
        OptionError: it does, or one that is damaged.
    """
    saved(out / FLOAT / CHECKPOINT, recipe, pictures, torch.device("cpu"))


def saved(path: Path, recipe: Recipe, pictures: str, device: torch.device) -> dict[str, Any] | None:
    """Return what a checkpoint holds; ``None``: there is none.

    Args:
        path: of the checkpoint.
        recipe: that its run must have had; ``every`` may differ.
        pictures: hash of those that its run must have been trained on.
        device: to read its tensors to.

    Raises:
        OptionError: it is from a run of another recipe or on other pictures, or damaged.
    """
    if not path.exists():
        return None
    check_archive(path)
    with damage_told(path):
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        differing = sorted(_differences(state["recipe"], recipe.model_dump(mode="json", exclude={"every"})))
    if differing:
        raise OptionError(
            f"{path} is from a run of another recipe ({', '.join(differing)}): "
            "choose another --out, or the same recipe."
        )
    if state.get("pictures") != pictures:
        raise OptionError(
            f"{path} is from a run on other pictures, or of an older version: "
            "choose another --out, or the same pictures in the same order."
        )
    return state


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn any error inside into one that says that a checkpoint is damaged.

    Raises:
        OptionError: there was an error.
    """
    try:
        yield
    except Exception as err:  # the reader fails in many ways on a damaged file
        raise OptionError(
            f"{path} is damaged: remove it to begin this part of the run again, or choose another --out."
        ) from err


def _differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted keys of which two recipes have other values, with both values if they are short."""
    if isinstance(before, dict) and isinstance(now, dict):
        for each, value in now.items():
            yield from _differences(before.get(each), value, f"{key}.{each}".lstrip("."))
    elif before != now:
        is_section = isinstance(before, dict) or isinstance(now, dict)
        yield key if is_section else f"{key} {json.dumps(before)}, now {json.dumps(now)}"
