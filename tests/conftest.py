"""Fixtures of all tests."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import MakeClip, write_clip

from sr4k.engines.nvidia import driver

if not driver().gpus:
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """``make_clip("a.mp4", frames=10, ...)``: see `clips.write_clip`; returns the path."""

    def make(name: str = "clip.mp4", **wishes: Any) -> Path:
        return write_clip(tmp_path / name, **wishes)

    return make
