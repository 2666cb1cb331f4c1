"""Bundles of wheels made here, packed and unpacked by the command line; nothing reaches a network."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "offline_bundle.py"
PIECE = 1000


def run(script: Path, *args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, (script, *args))]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=env)


def unpack(bundle: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Unpack with the copy in the bundle, on a Python with only the standard library."""
    command = [sys.executable, "-I", "-S", bundle / SCRIPT.name, "unpack", bundle, "--target", target]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def make_wheel(folder: Path, name: str, files: dict[str, bytes], tag: str = "py3-none-any") -> Path:
    """A wheel of version 1.0. Files below ``bin/`` are executable."""
    path = folder / f"{name}-1.0-{tag}.whl"
    about = f"{name}-1.0.dist-info"
    texts = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    contents = files | {place: text.encode() for place, text in texts.items()}
    record = "".join(f"{place},,\n" for place in [*contents, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for place, content in (contents | {f"{about}/RECORD": record.encode()}).items():
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (0o100755 if "/bin/" in place else 0o100644) << 16
            archive.writestr(entry, content)
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """Two: one larger than a piece, and one that is read from its package."""
    noise = os.urandom(5 * PIECE)
    large = make_wheel(tmp_path, "large", {"large/data": noise, "large/bin/tool": b"#!/bin/sh\necho ran\n"})
    code = b"from importlib.metadata import version\nprint(version('small'))\n"
    scattered = {"small-1.0.data/scripts/run": b"#!python\n", "small-1.0.data/purelib/small/more.py": b"more = 1\n"}
    return [large, make_wheel(tmp_path, "small", {"small/__init__.py": code, **scattered})]


@pytest.fixture
def bundle(wheels: list[Path], tmp_path: Path) -> Path:
    library = tmp_path / "libthing.so.1"
    library.write_bytes(b"thing" * 300)
    packed = run(SCRIPT, "pack", "--out", tmp_path / "bundle", "--piece", "1KB", "--file", library, *wheels)
    assert packed.returncode == 0, packed.stderr
    return tmp_path / "bundle"


def test_packages_arrive_whole_from_pieces_smaller_than_they_are(
    bundle: Path, wheels: list[Path], tmp_path: Path
) -> None:
    pieces = sorted(bundle.glob("piece-*"))
    assert len(pieces) > 5 and all(piece.stat().st_size == PIECE for piece in pieces[:-1])
    site = tmp_path / "site"
    done = unpack(bundle, site)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(wheels[0]) as archive:
        assert (site / "large" / "data").read_bytes() == archive.read("large/data")
    assert (site / "lib" / "libthing.so.1").read_bytes() == b"thing" * 300
    shown = run(Path("-c"), "import small, small.more", PYTHONPATH=str(site))
    assert shown.stdout == "1.0\n", "the package is found, and its metadata with it"
    assert sorted(path.name for path in site.iterdir() if path.name.startswith("tmp")) == []


def test_what_was_executable_still_is(bundle: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    unpack(bundle, site)
    assert subprocess.run([site / "large" / "bin" / "tool"], capture_output=True, check=True).stdout == b"ran\n"
    assert os.access(site / "bin" / "run", os.X_OK)
    assert not os.access(site / "large" / "data", os.X_OK)


def test_missing_and_damaged_pieces_are_named_before_anything_is_written(bundle: Path, tmp_path: Path) -> None:
    (bundle / "piece-0002").unlink()
    piece = bundle / "piece-0004"
    content = piece.read_bytes()
    piece.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (bundle / "piece-0005").write_bytes(b"cut short")
    done = unpack(bundle, tmp_path / "site")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("missing: piece-0002; damaged: piece-0004, piece-0005")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "site").exists()


def test_a_file_that_is_not_what_was_packed_is_refused(bundle: Path, tmp_path: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][0]["sha256"] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = unpack(bundle, tmp_path / "site")
    assert done.returncode == 1 and "large-1.0-py3-none-any.whl is not what was packed" in done.stderr


def test_a_wheel_can_not_write_outside_of_the_target(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "bad", {"../outside": b"x"})
    assert run(SCRIPT, "pack", "--out", tmp_path / "bundle", wheel).returncode == 0
    done = unpack(tmp_path / "bundle", tmp_path / "site")
    assert done.returncode == 1 and "leads outside of the target" in done.stderr
    assert not (tmp_path / "outside").exists()


@pytest.mark.slow
def test_pip_gathers_wheels_for_another_python(tmp_path: Path) -> None:
    """Environment variables make pip use a folder instead of an index."""
    for tag in ("cp310-cp310-manylinux_2_28_x86_64", "cp312-cp312-manylinux2014_x86_64", "cp312-cp312-win_amd64"):
        make_wheel(tmp_path, "native", {"native.py": b""}, tag)
    make_wheel(tmp_path, "stable", {"stable.py": b""}, "cp39-abi3-manylinux_2_17_x86_64")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    for python, tag in (("3.10", "cp310-cp310-manylinux_2_28"), ("3.12", "cp312-cp312-manylinux2014")):
        out = tmp_path / python
        packed = run(SCRIPT, "pack", "--out", out, "--python", python, "native", "stable", **offline)
        assert packed.returncode == 0, packed.stderr
        names = [entry["name"] for entry in json.loads((out / "manifest.json").read_text())["files"]]
        assert names == [f"native-1.0-{tag}_x86_64.whl", "stable-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"]
    packed = run(SCRIPT, "pack", "--out", tmp_path / "none", "--python", "3.11", "native", **offline)
    assert packed.returncode == 1
    assert "no wheels for Python 3.11: No matching distribution found for native" in packed.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["pack", "--out", "bundle", "x.whl"], "holds a bundle already"),
        (["pack", "--out", "new", "large-1.0-py3-none-any.whl", "large-1.0-py3-none-any.whl"], "is given twice"),
        (["pack", "--out", "new", "nope.whl"], "nope.whl"),
        (["pack", "--out", "new", "--piece", "many", "x"], "'many' isn't a size"),
        (["unpack", "new", "--target", "site"], "There is no manifest.json"),
    ],
)
def test_bad_input_is_told(args: list[str], told: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    done = run(SCRIPT, *args)
    assert done.returncode != 0
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_needs_the_standard_library_of_python_3_10_alone() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 10))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= set(sys.stdlib_module_names)
