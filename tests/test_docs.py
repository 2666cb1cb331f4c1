"""Every file that the documentation names exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(page for page in sorted(ROOT.glob("*.md")) if page.stem != "CHANGELOG"),
]
FOLDERS = "benchmarks|configs|docs|engines|examples|live|media|models|pipeline|sr4k|stages|tests"

_PATH = re.compile(rf"(?<![\w/.:*-])(?:{FOLDERS})/[\w./*-]*(?<![.,])")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def named(page: Path) -> Iterator[str]:
    """Paths from the root: those in the text, but for the placeholder ``NAME``, and where links lead."""
    text = page.read_text()
    yield from (path for path in _PATH.findall(text) if "NAME" not in path)
    for link in _LINK.findall(text):
        yield str((page.parent / link).resolve().relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    assert not [path for path in named(page) if not any(ROOT.glob(path.rstrip("/")))]


def test_paths_are_found_in_text_and_in_links() -> None:
    assert "stages/decode.py" in set(named(ROOT / "docs" / "architecture.md"))
    assert "docs/architecture.md" in set(named(ROOT / "README.md"))
