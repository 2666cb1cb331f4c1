"""Hide the packages that HIDDEN_PACKAGES names from a process, as on a machine that lacks them."""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

HIDDEN = set(os.environ.get("HIDDEN_PACKAGES", "").split(","))


class Finder:
    """Replacement for the finder that searches ``sys.path``."""

    @staticmethod
    def find_spec(name: str, *where: Any) -> ModuleSpec | None:
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, *where)

    find_distributions = PathFinder.find_distributions
    invalidate_caches = PathFinder.invalidate_caches


sys.meta_path[sys.meta_path.index(PathFinder)] = Finder  # type: ignore[call-overload]
