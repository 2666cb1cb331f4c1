"""A test file is found by its name."""

from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent


def test_no_two_test_files_share_a_name() -> None:
    names = Counter(path.name for path in HERE.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
