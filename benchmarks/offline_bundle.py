"""Bundle wheels for a machine without access to a package index, in pieces small enough to transfer.

    python benchmarks/offline_bundle.py pack --out BUNDLE --piece 60MB --python 3.12 av torch==2.13.0 local.whl
    python BUNDLE/offline_bundle.py unpack BUNDLE --target SITE && PYTHONPATH=SITE python ...

Packing needs pip. Unpacking needs only Python 3.10 or newer, since the bundle holds a copy of this file. All files form
one stream that is cut into pieces of equal size, so a wheel may be larger than a piece. The manifest has names, sizes
and SHA-256 of files and pieces: a missing or damaged piece is named, and only that one has to be sent again.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

MANIFEST = "manifest.json"
LIBRARIES = "lib"

# All platform tags that such a machine runs: pip matches each tag exactly and doesn't try older ones.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]

# Where the folders of NAME.data in a wheel are unpacked to, relative to the target.
PLACES = {"purelib": "", "platlib": "", "data": "", "scripts": "bin", "headers": "include"}

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
BLOCK = 1 << 20
EXECUTABLE = 0o111


class BundleError(Exception):
    """Raised when a bundle can't be made or unpacked; the message is for the user."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    pack_it = commands.add_parser("pack", help="gather wheels and cut them into pieces")
    pack_it.add_argument("wanted", nargs="+", help="requirements as for pip, and paths of wheels")
    pack_it.add_argument("--out", type=Path, required=True, help="folder for the pieces")
    pack_it.add_argument(
        "--piece", type=size, default="60MB", help="size of a piece, such as 60MB or 1GiB; default: 60MB"
    )
    pack_it.add_argument(
        "--python", default="{}.{}".format(*sys.version_info), help="version of the other machine's Python"
    )
    pack_it.add_argument("--deps", action="store_true", help="also gather the dependencies of the requirements")
    pack_it.add_argument(
        "--file", type=Path, action="append", default=[], help="any other file, unpacked to SITE/lib; may be repeated"
    )
    pack_it.set_defaults(run=lambda a: pack(a.wanted, a.out, a.piece, python=a.python, deps=a.deps, files=a.file))
    unpack_it = commands.add_parser("unpack", help="check the pieces and unpack the wheels")
    unpack_it.add_argument("bundle", type=Path, help="folder of the pieces")
    unpack_it.add_argument("--target", type=Path, required=True, help="folder to unpack into, for PYTHONPATH")
    unpack_it.set_defaults(run=lambda a: unpack(a.bundle, a.target))
    chosen = parser.parse_args()
    try:
        chosen.run(chosen)
    except (BundleError, OSError) as err:
        sys.exit(f"error: {err}")


def size(text: str) -> int:
    """Return the bytes of a size such as ``60MB``, ``1GiB`` or ``500``.

    Raises:
        argparse.ArgumentTypeError: The text isn't a size.
    """
    match = re.fullmatch(r"(\d+)\s*([KMG]?I?B)?", text.upper())
    if match is None or not int(match[1]):
        raise argparse.ArgumentTypeError(f"'{text}' isn't a size: use a number with KB, MB, GB, KiB, MiB or GiB")
    return int(match[1]) * UNITS[match[2] or "B"]


def pack(wanted: list[str], out: Path, piece: int, *, python: str, deps: bool, files: list[Path]) -> None:
    """Write pieces of ``piece`` bytes, the manifest and this script to ``out``.

    Args:
        wanted: Requirements as for pip, and paths of wheels.
        out: Folder for the bundle.
        piece: Size of a piece in bytes.
        python: Version of the other machine's Python, such as 3.12.
        deps: Whether dependencies of the requirements are packed too.
        files: Other files, unpacked to ``lib`` in the target.

    Raises:
        BundleError: ``out`` holds a bundle already, two files have the same name, or pip finds no wheel.
    """
    if (out / MANIFEST).exists():
        raise BundleError(f"{out} holds a bundle already: remove it, or choose another folder.")
    wheels = [Path(name) for name in wanted if name.endswith(".whl")]
    requirements = [name for name in wanted if not name.endswith(".whl")]
    with tempfile.TemporaryDirectory() as folder:
        if requirements:
            download(requirements, Path(folder), python=python, deps=deps)
        gathered = [*wheels, *sorted(Path(folder).glob("*.whl")), *files]
        names = [path.name for path in gathered]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise BundleError(f"{twice[0]} is given twice: name it once.")
        out.mkdir(parents=True, exist_ok=True)
        with Cutter(out, piece) as cutter:
            entries = [cutter.add(path) for path in gathered]
    manifest = {"python": python, "files": entries, "pieces": cutter.pieces}
    shutil.copyfile(__file__, out / Path(__file__).name)
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    total = sum(entry["size"] for entry in entries)
    print(f"{out}: {len(entries)} files, {total:,} bytes, {len(cutter.pieces)} pieces")


def download(requirements: list[str], folder: Path, *, python: str, deps: bool) -> None:
    """Download wheels for another Python, on Linux x86-64 with glibc 2.28 or newer, with pip.

    Raises:
        BundleError: pip failed.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += [*([] if deps else ["--no-deps"]), "--", *requirements]
    ran = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        lines = ran.stderr.splitlines() or ["no reason given"]
        last = [line for line in lines if line.startswith("ERROR:")] or lines
        raise BundleError(f"pip has no wheels for Python {python}: {last[-1].removeprefix('ERROR:').strip()}")


class Cutter:
    """Writes files as one stream that is cut into pieces of ``size`` bytes, the last one shorter."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size = folder, size
        self._file: BinaryIO | None = None
        self.pieces: list[dict[str, Any]] = []

    def __enter__(self) -> "Cutter":
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def add(self, path: Path) -> dict[str, Any]:
        """Write one file; return its entry for the manifest: name, size and SHA-256."""
        checksum, written = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                checksum.update(block)
                written += len(block)
                self._write(block)
        return {"name": path.name, "size": written, "sha256": checksum.hexdigest()}

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            if self._file is None:
                self._begin()
            assert self._file is not None
            part = rest[: self._size - self._written]
            self._file.write(part)
            self._checksum.update(part)
            self._written += len(part)
            if self._written == self._size:
                self._end()
            rest = rest[len(part) :]

    def _begin(self) -> None:
        self._file = (self._folder / f"piece-{len(self.pieces) + 1:04d}").open("wb")
        self._checksum, self._written = hashlib.sha256(), 0

    def _end(self) -> None:
        if self._file is None:
            return
        self._file.close()
        name = Path(self._file.name).name
        self.pieces.append({"name": name, "size": self._written, "sha256": self._checksum.hexdigest()})
        self._file = None


def unpack(bundle: Path, target: Path) -> None:
    """Check all pieces, then unpack the wheels and the other files into ``target``.

    Raises:
        BundleError: Pieces or the manifest are missing or damaged, or a file differs from what was packed.
    """
    manifest = read_manifest(bundle)
    require_pieces(bundle, manifest["pieces"])
    target.mkdir(parents=True, exist_ok=True)
    blocks = joined(bundle / entry["name"] for entry in manifest["pieces"])
    left = b""
    for entry in manifest["files"]:
        name = entry["name"]
        if Path(name).name != name:
            raise BundleError(f"'{name}' in {MANIFEST} isn't a file name: send {MANIFEST} again.")
        with tempfile.TemporaryDirectory(dir=target) as folder:
            path = Path(folder) / name
            left = write_file(path, entry, left, blocks)
            if name.endswith(".whl"):
                unpack_wheel(path, target)
            else:
                (target / LIBRARIES).mkdir(exist_ok=True)
                path.replace(target / LIBRARIES / name)
        print(name)
    here = "{}.{}".format(*sys.version_info)
    if here != manifest["python"]:
        print(f"note: packed for Python {manifest['python']}, this is {here}")
    print(f"PYTHONPATH={target.resolve()}")


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Return the manifest of a bundle.

    Raises:
        BundleError: It is missing or damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((bundle / MANIFEST).read_text())
    except FileNotFoundError:
        raise BundleError(f"There is no {MANIFEST} in {bundle}: send it, or name the folder that has it.") from None
    except ValueError:
        raise BundleError(f"{bundle / MANIFEST} is damaged: send it again.") from None
    return manifest


def require_pieces(bundle: Path, pieces: list[dict[str, Any]]) -> None:
    """Check that every piece is there and intact.

    Raises:
        BundleError: Pieces are missing or damaged; names them.
    """
    missing = [entry["name"] for entry in pieces if not (bundle / entry["name"]).is_file()]
    damaged = [
        entry["name"]
        for entry in pieces
        if entry["name"] not in missing and checksum_of(bundle / entry["name"]) != entry["sha256"]
    ]
    faults = [f"{word}: {', '.join(names)}" for word, names in (("missing", missing), ("damaged", damaged)) if names]
    if faults:
        raise BundleError(f"Of {len(pieces)} pieces, send these again. {'; '.join(faults)}")


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    checksum = hashlib.sha256()
    for block in joined([path]):
        checksum.update(block)
    return checksum.hexdigest()


def joined(paths: Iterable[Path]) -> Iterator[bytes]:
    """Yield the bytes of all files, one after the other, in blocks."""
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block


def write_file(path: Path, entry: dict[str, Any], left: bytes, blocks: Iterator[bytes]) -> bytes:
    """Write one file from ``left`` and then ``blocks``; return the rest of its last block.

    Raises:
        BundleError: The stream ends too early, or the file differs from what was packed.
    """
    checksum, missing = hashlib.sha256(), entry["size"]
    with path.open("wb") as file:
        while missing:
            block = left or next(blocks, b"")
            if not block:
                raise BundleError(f"The pieces end within {entry['name']}: pack again.")
            part, left = block[:missing], block[missing:]
            file.write(part)
            checksum.update(part)
            missing -= len(part)
    if checksum.hexdigest() != entry["sha256"]:
        raise BundleError(f"{entry['name']} is not what was packed: pack again.")
    return left


def unpack_wheel(wheel: Path, target: Path) -> None:
    """Unpack a wheel into ``target``; executable files stay executable.

    Raises:
        BundleError: It isn't a wheel, or has a file that would be written outside of the target.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    place = target / place_of(member.filename, wheel.name)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, place.open("wb") as file:
                        shutil.copyfileobj(source, file, BLOCK)
                    if member.external_attr >> 16 & EXECUTABLE or place.parent == target / PLACES["scripts"]:
                        place.chmod(place.stat().st_mode | EXECUTABLE)
    except zipfile.BadZipFile as err:
        raise BundleError(f"{wheel.name} isn't a wheel: {err}.") from err


def place_of(member: str, wheel: str) -> PurePosixPath:
    """Return the path of a member of a wheel, relative to the target.

    Raises:
        BundleError: It leads outside of the target.
    """
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts:
        raise BundleError(f"{wheel} has a file that leads outside of the target: {member}.")
    if path.parts[0].endswith(".data") and len(path.parts) > 2 and path.parts[1] in PLACES:
        return PurePosixPath(PLACES[path.parts[1]], *path.parts[2:])
    return path


if __name__ == "__main__":
    main()
