"""The rooms of the house: who may import whom."""

import ast
import subprocess
import sys
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


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows_point_one_way(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
            if isinstance(node, ast.Import | ast.ImportFrom):
                rooms = {n.split(".")[1] for n in names if n and n.startswith("sr4k.")}
                assert rooms <= ALLOWED[room], f"{path.relative_to(ROOT)}:{node.lineno}"


def test_the_supervisor_needs_no_codec_and_no_network() -> None:
    heavy = "av", "openvino", "onnx", "torch", "cv2", "tensorrt"
    code = f"import sys, sr4k; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
