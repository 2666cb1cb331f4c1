"""Fixtures of the tests of live streams."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def silent_children(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Check that nothing a puller's process prints holds the stream key."""
    yield
    assert "k3y" not in "".join(capfd.readouterr())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is a disk of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("a small disk can't be mounted without root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
