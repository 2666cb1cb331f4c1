"""What tests need of the machine: where it lacks, they are skipped, or fail where SR4K_REQUIRE_SERVERS=1."""

import os
import shutil
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

from rig.servers import MissingServerError

T = TypeVar("T")


def required(server: Callable[[], T]) -> T:
    """The server that this makes."""
    try:
        return server()
    except MissingServerError as err:
        _lacking(str(err))


def program(name: str) -> str:
    """Where that program is."""
    return shutil.which(name) or _lacking(name)


def _lacking(what: str) -> NoReturn:
    (pytest.fail if os.environ.get("SR4K_REQUIRE_SERVERS") == "1" else pytest.skip)(f"needs {what}")
