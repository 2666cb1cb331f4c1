"""Fixtures of the tests of live streams."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def silent_children(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Check that nothing a puller's process prints holds the stream key."""
    yield
    assert "k3y" not in "".join(capfd.readouterr())
