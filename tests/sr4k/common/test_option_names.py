"""Messages name options as whoever reads them has to write them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sr4k
from sr4k.common.option_names import name_for, named_for_command, option

ROOT = Path(sr4k.__file__).parents[1]
ROOMS = "configs", "engines", "live", "media", "models", "pipeline", "stages", "sr4k/jobs", "sr4k/memory"
"""Folders whose messages reach users of the command and of Python alike."""

APART = "models/training/", "sr4k/jobs/sources.py"
"""What only the command runs."""


def test_an_option_is_a_keyword_in_python_and_an_option_in_the_command() -> None:
    assert option("size") == "size"
    assert option("overwrite", True) == "overwrite=True"
    assert option("codec", "h264") == 'codec="h264"'
    assert option("track", "1") == 'track="1"'
    with named_for_command():
        assert option("size") == "--size"
        assert option("overwrite", True) == "--overwrite"
        assert option("codec", "h264") == "--codec h264"
        assert option("track", "1") == "--map 1"
        assert option("reuse_threshold") == "--reuse-threshold"
    assert option("size") == "size"


def test_users_of_the_service_are_told_what_they_can_do_in_the_place_of_switches_that_its_jobs_lack() -> None:
    name_for("service")
    try:
        assert option("resume", True) == "a retry"
        assert option("overwrite", True) == "a job with another target"
        assert option("strict", True) == "strict=True"
    finally:
        name_for("python")
    assert option("resume", True) == "resume=True"


def messages() -> Iterator[tuple[str, str]]:
    """Literal text of these folders, but for docstrings and commands to be typed into a shell, with its place."""
    for path in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        place = str(path.relative_to(ROOT))
        if not place.startswith(APART):
            tree = ast.parse(path.read_text())
            told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                    yield f"{place}:{node.lineno}", re.sub(r"\b(docker run|pip|sr4k) .*", "", node.value)


@pytest.mark.slow(seconds=1)
def test_no_message_names_an_option_of_the_command_by_itself() -> None:
    assert not {place: text for place, text in messages() if re.search(r"(?<!\S)--[a-z]", text)}
