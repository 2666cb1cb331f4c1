"""Servers for live tests: real ones, which have to be installed."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rig.servers import MissingServerError, NginxRtmp, NodeMediaServer


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[type], Any]]:
    """``server(NginxRtmp)``: a running one. Where it is not installed the test is skipped, or fails on request."""
    with ExitStack() as stack:

        def start(kind: type[NginxRtmp] | type[NodeMediaServer]) -> Any:
            try:
                made = kind()
            except MissingServerError as err:
                (pytest.fail if os.environ.get("SR4K_REQUIRE_SERVERS") == "1" else pytest.skip)(f"needs {err}")
            return stack.enter_context(made)

        yield start
