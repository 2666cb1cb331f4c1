"""A test file is found by the name of its module, or of a behaviour that its first line describes."""

import ast
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("test_*.py"))


def module_of(test: Path) -> Path:
    """The module of that name in the folder that the test's folder mirrors."""
    return HERE.parent / test.parent.relative_to(HERE) / f"{test.stem.removeprefix('test_')}.py"


def test_no_two_test_files_share_a_name() -> None:
    names = Counter(path.name for path in FILES)
    assert [name for name, count in names.items() if count > 1] == []


def test_a_file_is_named_after_a_module_or_describes_a_behaviour_first() -> None:
    behaviours = [test for test in FILES if not module_of(test).exists()]
    assert [test.name for test in behaviours if not ast.get_docstring(ast.parse(test.read_text()))] == []
