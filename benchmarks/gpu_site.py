"""Make one folder of the package and wheels for PYTHONPATH, on a machine without a network.

    python benchmarks/gpu_site.py SITE [WHEELS]

The tree's folders are copied, each time anew, to where `[tool.setuptools.package-dir]` of pyproject.toml puts them;
wheels that are not there yet are unpacked. Needs Python 3.11 or newer and no other package, not even pip.
"""

import shutil
import sys
import tomllib
import zipfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_DONE = ".wheels"
"""Lists the wheels that a site folder holds."""


def main() -> None:
    """Read the command line."""
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    site = Path(sys.argv[1])
    copy_package(site)
    if sys.argv[2:] and Path(sys.argv[2]).is_dir():
        unpack_wheels(sorted(Path(sys.argv[2]).glob("*.whl")), site)
    else:
        print("no wheels are carried: what needs PyAV will say so", flush=True)


def copy_package(site: Path) -> None:
    """Copy the package's folders, in place of those of an earlier call."""
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    shutil.rmtree(site / "sr4k", ignore_errors=True)
    for package, folder in sorted(folders.items()):  # the package itself comes first
        target = site.joinpath(*package.split("."))
        shutil.copytree(ROOT / folder, target, ignore=shutil.ignore_patterns("__pycache__"))


def unpack_wheels(wheels: list[Path], site: Path) -> None:
    """Unpack wheels of this platform, which must hold nothing but packages and their metadata."""
    names = "\n".join(wheel.name for wheel in wheels)
    done = site / _DONE
    if not wheels or (done.exists() and done.read_text() == names):
        return
    for wheel in wheels:
        try:
            shutil.unpack_archive(wheel, site, "zip")
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, shutil.ReadError) as err:
            print(f"{wheel.name} is damaged, and goes missing: {err}", flush=True)
    done.write_text(names)


if __name__ == "__main__":
    main()
