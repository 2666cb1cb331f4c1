"""Every file and heading that the documentation names exists, and each page of results tells how it is made."""

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
_TO_A_HEADING = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
RESULTS = sorted((ROOT / "benchmarks" / "results").rglob("*.md"))


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


def anchors(page: Path) -> set[str]:
    """Return what links to the headings of a page may name, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_heading_that_a_link_names_is_there(page: Path) -> None:
    links = _TO_A_HEADING.findall(page.read_text())
    assert [(to, name) for to, name in links if name not in anchors((page.parent / to) if to else page)] == []


def test_links_to_headings_are_found() -> None:
    assert ("models.md", "your-own-networks") in _TO_A_HEADING.findall((ROOT / "docs" / "usage.md").read_text())
    assert "your-own-networks" in anchors(ROOT / "docs" / "models.md")


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: page.stem)
def test_a_page_of_results_has_a_title_and_the_command_that_makes_it(page: Path) -> None:
    title, _, command = page.read_text().splitlines()[:3]
    assert title.startswith("# ") and re.search(r"python benchmarks/\w+\.py|sr4k bench", command)
