"""Fixtures and hooks for all tests."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import MakeClip, write_clip
from hypothesis import HealthCheck, settings
from needed import required
from time_left import watch

from rig.servers import NginxRtmp, NodeMediaServer
from sr4k.engines.nvidia import driver
from sr4k.errors import EngineError
from sr4k.media.writing.encoder import share_cpus

if not driver().gpus:
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported: Triton interprets them on the CPU


settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and child processes inherit that


def pytest_xdist_auto_num_workers() -> int | None:
    """Return two workers per CPU: tests of live streams and clusters wait most of the time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return 2 * len(os.sched_getaffinity(0))


def pytest_configure(config: pytest.Config) -> None:
    watch(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with the slowest tests first, so that none runs alone at the end; leave out what is long by default."""
    seconds: Counter[Path] = Counter()
    for item in items:
        if item.get_closest_marker("long") and os.environ.get("SR4K_LONG") != "1":
            item.add_marker(pytest.mark.skip(reason="takes long: SR4K_LONG=1 runs it"))
        elif slow := item.get_closest_marker("slow"):
            seconds[item.path] += slow.kwargs.get("seconds", 5)
    items.sort(key=lambda item: -seconds[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is no text in a report, such as names of files: xdist sends it as UTF-8, or the whole run dies."""
    report = yield
    report.sections = [(name, _as_text(told)) for name, told in report.sections]
    if report.failed and not report.longreprtext.isascii():
        report.longrepr = _as_text(report.longreprtext)
    return report


def _as_text(told: str) -> str:
    return told.encode(errors="backslashreplace").decode()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked ``gpu`` without a GPU or a module that the marker names; fail if SR4K_REQUIRE_GPU=1."""
    marker = item.get_closest_marker("gpu")
    if marker is None:
        return
    missing = [] if driver().gpus else ["an NVIDIA GPU"]
    for module in marker.args:
        try:
            import_module(module)
        except (ImportError, EngineError) as err:
            missing.append(f"{module}: {err}")
    if missing:
        (pytest.fail if os.environ.get("SR4K_REQUIRE_GPU") == "1" else pytest.skip)(f"needs {'; '.join(missing)}")


@pytest.fixture(autouse=True)
def _no_networks_of_the_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests find no other foreign networks than they add themselves."""
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path_factory.getbasetemp() / "no-models"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(autouse=True)
def _sharing_cpus() -> Iterator[None]:
    """Undo what libsvtav1 does to the process that opens it, after tests that open it themselves."""
    yield
    share_cpus()


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Return a function ``make_clip("a.mp4", frames=10, ...)`` that calls `write_clip` and returns the path."""

    def make(name: str = "clip.mp4", **wishes: Any) -> Path:
        return write_clip(tmp_path / name, **wishes)

    return make


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[type], Any]]:
    """Return a function ``server(NginxRtmp)`` that starts a server; if it is missing, see `needed.required`."""
    with ExitStack() as stack:

        def start(kind: type[NginxRtmp] | type[NodeMediaServer]) -> Any:
            return stack.enter_context(required(kind))

        yield start
