"""Folders import each other exactly as ``docs/architecture.md`` draws it."""

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = "pipeline", "models", "engines", "media", "stages", "live", "configs"
"""Folders at the root that are imported as ``sr4k.NAME``."""

GROUND = {"sr4k.errors", "sr4k.common"}
NAMES = {f"sr4k.{name}": f"{name}/" for name in ROOTS} | {
    f"sr4k.{path.name}": f"sr4k/{path.name}/" for path in (ROOT / "sr4k").iterdir() if (path / "__init__.py").exists()
}
NAMES["sr4k"] = "sr4k/*.py"
"""Name of each room in the docs."""


def module_of(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    named = parts if parts[0] == "sr4k" else ("sr4k", *parts)
    return ".".join(named).removesuffix(".__init__")


FILES = {module_of(path): path for root in (*ROOTS, "sr4k") for path in sorted((ROOT / root).rglob("*.py"))}


def room_of(module: str) -> str:
    """The folder that a module counts as part of: the first below ``sr4k``, or ``sr4k`` itself."""
    first = ".".join(module.split(".")[:2])
    return first if first in NAMES or first in GROUND else "sr4k"


@functools.cache
def imports(path: Path) -> list[tuple[str, int]]:
    """The modules that a file imports, dotted, each with its line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((full if full in FILES else node.module, node.lineno))
        elif isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
    return found


def ours() -> Iterator[tuple[str, str, str]]:
    """Each import of one file of the package by another: who, whom, and where."""
    for module, path in FILES.items():
        for imported, line in imports(path):
            if imported.split(".")[0] == "sr4k":
                yield module, imported, f"{path.relative_to(ROOT)}:{line}"


def arrows() -> dict[str, set[str]]:
    """The rooms that each room imports, beside itself."""
    found: dict[str, set[str]] = {room: set() for room in NAMES}
    for module, imported, _ in ours():
        room, other = room_of(module), room_of(imported)
        if module != "sr4k.errors" and room != other and {room, other} != GROUND:
            found[room].add(other)
    return found


def whence(room: str, others: set[str]) -> list[str]:
    """Return the places where a room imports these."""
    return [
        f"{where} imports {who}" for module, who, where in ours() if room_of(module) == room and room_of(who) in others
    ]


def drawn() -> dict[str, set[str]]:
    """Return the arrows that the docs draw."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = [line.split("→") for line in text.splitlines() if re.match(r"\S+/\S* +→ ", line)]
    return {room.strip(): {name.strip() for name in others.split(",")} for room, others in lines}


@pytest.mark.slow(seconds=1)
def test_arrows_are_those_that_the_docs_draw() -> None:
    found = {
        NAMES[room]: {NAMES.get(other, "the ground") if other not in GROUND else "the ground" for other in others}
        for room, others in arrows().items()
    }
    assert {room: others or {"nothing"} for room, others in found.items()} == drawn()


@pytest.mark.slow(seconds=1)
def test_arrows_point_one_way() -> None:
    above = {room: others - GROUND for room, others in arrows().items()}
    while free := {room for room, others in above.items() if not others}:
        above = {room: others - free for room, others in above.items() if room not in free}
    assert not above


def test_no_files_import_each_other_in_a_circle() -> None:
    above: dict[str, set[str]] = {module: set() for module in FILES}
    for who, whom, _ in ours():
        if whom in FILES and whom != who:
            above[who].add(whom)
    while free := {module for module, others in above.items() if not others}:
        above = {module: others - free for module, others in above.items() if module not in free}
    assert not above


def test_the_ground_imports_nothing_but_itself() -> None:
    assert not [where for who, whom, where in ours() if room_of(who) in GROUND and room_of(whom) not in GROUND]


def test_reading_does_not_know_writing_and_neither_knows_resuming() -> None:
    below = {"sr4k.media.reading": {"writing", "resume"}, "sr4k.media.writing": {"resume"}}
    for who, whom, where in ours():
        for room, others in below.items():
            assert not (who.startswith(room) and whom.startswith(tuple(f"sr4k.media.{o}" for o in others))), where


def test_receiving_and_sending_do_not_know_each_other() -> None:
    for who, whom, where in ours():
        for one, other in (("receive", "send"), ("send", "receive")):
            assert not (who.startswith(f"sr4k.live.{one}") and whom.startswith(f"sr4k.live.{other}")), where


def test_from_outside_a_stage_is_known_by_its_settings_alone() -> None:
    for who, whom, where in ours():
        if room_of(whom) == "sr4k.stages" != room_of(who):
            assert whom == "sr4k.stages.settings", where


MEANT = {
    "bench": "the measurements, and their command",
    "doctor": "the examination, and its command",
    "engines": "the backends, and what the doctor finds of them",
    "live": "live streams, and their half of the command",
    "machine": "what this machine is, to measure on it and to examine it",
    "nvidia": "what the NVIDIA driver tells, and what the doctor makes of it",
    "quality": "how good results are",
    "sample": "the sample clip, and its command",
    "settings": "what the boxes of that folder can be told",
    "training": "how networks are made, and the commands for it",
}
"""File names that are allowed in two folders: the folder says which side of one thing it is."""


def test_no_file_name_has_two_meanings() -> None:
    stems = [path.stem for path in FILES.values() if path.stem != "__init__"]
    stems += [path.parent.name for path in FILES.values() if path.stem == "__init__"]
    assert {stem for stem in stems if stems.count(stem) > 1} == MEANT.keys()


@pytest.mark.parametrize(
    ("library", "door"), [("openvino", "engines/openvino_library.py"), ("cv2", "sr4k/common/opencv.py")]
)
def test_a_library_that_does_more_than_it_should_when_imported_has_one_door(library: str, door: str) -> None:
    files = [*FILES.values(), *(ROOT / "benchmarks").rglob("*.py")]
    found = {
        str(file.relative_to(ROOT)) for file in files for name, _ in imports(file) if name.split(".")[0] == library
    }
    assert found == {door}


def test_openvino_has_one_core_in_a_process() -> None:
    files = [*FILES.values(), *(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    makers = {str(file.relative_to(ROOT)) for file in files if "ov.Core" + "()" in file.read_text()}
    assert makers == {"engines/openvino_library.py"}


@pytest.mark.slow(seconds=1)
def test_the_supervisor_needs_no_codec_and_no_network() -> None:
    heavy = "av", "openvino", "onnx", "torch", "cv2", "tensorrt"
    used = "sr4k.jobs.file_job, sr4k.jobs.live_job, sr4k.pipeline.supervisor"
    code = f"import sys, {used}; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
