"""The page's process is replaced when it dies or hangs, and left alone when it is merely slow."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from queues import until
from toy_errands import page_of_somebody_else
from web_serving import service_of

from rig.processes import children_of, command_of
from sr4k.errors import MachineError
from sr4k.web import page_keeper
from sr4k.web.access import Access
from sr4k.web.page_health import Patience
from sr4k.web.page_keeper import PageKeeper, listening_on
from sr4k.web.page_settings import PageSettings

pytestmark = pytest.mark.slow(seconds=8)

SHORT = Patience(every=0.1, answer=1.5, failures=2)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a page that somebody keeps, with a short patience."""
    service = service_of(tmp_path)
    with listening_on("127.0.0.1:0") as opened:
        tokens = Access(tokens={"operate": "operate-0123456789abcdef"})
        settings = PageSettings(
            access=tokens,
            listening=opened,
            queue=service.queue.path,
            roots=service.library.roots,
            scratch=tmp_path,
            has_channels=False,
        )
        with PageKeeper(settings, None, full_disk, SHORT):
            yield opened
    service.queue.close()


def full_disk() -> None:
    """Fail in what is done when a page has died."""
    raise MachineError("The queue can't be read or written: the disk is full.")


def page() -> int | None:
    """Return the number of the page's process; ``None``: there is none now."""
    return next((pid for pid in children_of(os.getpid()) if "sr4k-page" in command_of(pid)), None)


def is_stopped(pid: int) -> bool:
    """Whether all threads of a process are."""
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # the thread has ended meanwhile
            if path.read_text().rpartition(")")[2].split()[0] != "T":
                return False
    return True


def health(listening: socket.socket) -> tuple[int, bytes]:
    """Ask the page for its health, as a probe without a token does."""
    connection = HTTPConnection(*listening.getsockname(), timeout=240)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_page_that_hangs_is_replaced_and_whoever_waits_for_it_is_answered(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert health(listening) == (200, b'{"ok":true}')
    first = page()
    assert first is not None
    until(lambda: "The page answers." in caplog.text)  # to its keeper too
    os.kill(first, signal.SIGSTOP)
    until(lambda: is_stopped(first))  # or it might still take the next connection
    assert health(listening) == (200, b'{"ok":true}')  # it has waited for the next one
    until(lambda: page() not in (None, first))
    assert "The page's process did not answer any more and was killed; starting again in" in caplog.text
    assert "What the page has left half done could not be tended: The queue" in caplog.text


def test_a_page_that_sends_what_is_no_question_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(page_keeper, "run_page", page_of_somebody_else)
    has_died = threading.Event()
    with listening_on("127.0.0.1:0") as opened:
        settings = PageSettings(
            access=Access(), listening=opened, queue=tmp_path, roots=(), scratch=tmp_path, has_channels=False
        )
        with PageKeeper(settings, None, has_died.set):
            assert has_died.wait(120)
    assert "has sent what is no question" in caplog.text
