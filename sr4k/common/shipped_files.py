"""The YAML files that ship in a package. Light to import: the help of the command lists them."""

from importlib.util import find_spec
from pathlib import Path


def shipped_names(package: str) -> list[str]:
    """Return the names of the YAML files in a package, without their suffix. The package itself is not imported."""
    return sorted(path.stem for path in shipped_folder(package).glob("*.yaml"))


def shipped_folder(package: str) -> Path:
    """Return the folder of a package, without importing it."""
    found = find_spec(package)
    assert found is not None and found.origin is not None
    return Path(found.origin).parent
