"""Fixtures of the tests of live streams."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def silent_children(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What a puller's process says of itself could hold the address."""
    yield
    assert "k3y" not in "".join(capfd.readouterr())
