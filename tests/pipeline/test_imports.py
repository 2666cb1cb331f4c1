"""The rooms of the house: who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "pipeline": {"pipeline"},
    "models": {"models", "errors"},
    "engines": {"engines", "models", "errors"},
    "stages": {"stages", "engines", "models", "pipeline", "errors"},
    "live": {"live", "stages", "models", "pipeline", "errors", "sample"},
    "configs": {"configs", "live", "models", "stages", "errors"},
}


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """What a file imports, dotted, each with where it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, f"{path.relative_to(ROOT)}:{node.lineno}"
        elif isinstance(node, ast.Import):
            yield from ((alias.name, f"{path.relative_to(ROOT)}:{node.lineno}") for alias in node.names)


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows_point_one_way(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for name, where in imports(path):
            assert not name.startswith("sr4k.") or name.split(".")[1] in ALLOWED[room], where


@pytest.mark.parametrize(
    ("library", "door"), [("openvino", "engines/openvino_library.py"), ("cv2", "models/opencv.py")]
)
def test_a_library_that_does_more_than_it_should_when_imported_has_one_door(library: str, door: str) -> None:
    files = [file for room in (*ALLOWED, "sr4k", "benchmarks") for file in (ROOT / room).rglob("*.py")]
    found = [where for file in files for name, where in imports(file) if name.split(".")[0] == library]
    assert {where.split(":")[0] for where in found} == {door}


def test_the_supervisor_needs_no_codec_and_no_network() -> None:
    heavy = "av", "openvino", "onnx", "torch", "cv2", "tensorrt"
    code = f"import sys, sr4k; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
