"""Require programs and servers: without them a test is skipped, or fails if SR4K_REQUIRE_SERVERS=1."""

import os
import shutil
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

from rig.servers import MissingServerError

T = TypeVar("T")


def required(server: Callable[[], T]) -> T:
    """Return the server that ``server`` makes; skip the test if it isn't installed."""
    try:
        return server()
    except MissingServerError as err:
        _lacking(str(err))


def program(name: str) -> str:
    """Return the path of a program; skip the test if it isn't installed."""
    return shutil.which(name) or _lacking(name)


def _lacking(what: str) -> NoReturn:
    (pytest.fail if os.environ.get("SR4K_REQUIRE_SERVERS") == "1" else pytest.skip)(f"needs {what}")
