"""Workers are forks of one process: what they inherit, how their ends are told, and that none outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Pipe
from pathlib import Path

import pytest
import toy_errands

from rig.channel import eventually
from rig.processes import is_alive
from sr4k.pipeline import fork_server as forking
from sr4k.pipeline.fork_server import ForkServer


@pytest.fixture
def server() -> Iterator[ForkServer]:
    made = ForkServer(["array"])
    yield made
    made.close()


def test_each_has_an_end_of_its_own(server: ForkServer) -> None:
    workers = [server.start(f"sr4k-{code}", sys.exit, code) for code in (0, 3)]
    killed = server.start("sr4k-killed", toy_errands.die, signal.SIGUSR1)
    assert [worker.wait(60) for worker in (*workers, killed)] == [0, 3, -signal.SIGUSR1]


def test_an_exception_is_told_on_standard_error_and_by_the_exit_code() -> None:
    code = "from sr4k.pipeline.fork_server import ForkServer; print(ForkServer([]).start('sr4k-it', int, 'x').wait(60))"
    done = run_program(code)
    assert done.stdout == "1\n"
    assert "ValueError: invalid literal" in done.stderr


def test_it_has_what_is_shared_its_name_its_environment_and_no_descriptor_but_its_own(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", "later")
    found = []
    for number in range(2):
        ours, theirs = Pipe()
        server.start(f"sr4k-{number}", toy_errands.tell_about_itself, theirs)
        theirs.close()
        found.append(ours)
    for number, end in enumerate(found):
        told = end.recv()
        assert told["title"] == told["argument"] == f"sr4k-{number}"
        assert told["shared"] and told["path"].startswith("/")
        assert told["open"] == {0, 1, 2, told["own"]}
        end.send("go on")


def test_it_takes_as_many_descriptors_as_a_worker_before_many_lanes_has(server: ForkServer) -> None:
    pairs = [Pipe(duplex=False) for _ in range(300)]
    worker = server.start("sr4k-many", toy_errands.tell_all, [end for _, end in pairs])
    for _, end in pairs:
        end.close()
    assert [end.recv() for end, _ in pairs] == list(range(300))
    assert worker.wait(60) == 0


def test_what_can_not_be_sent_is_told(server: ForkServer) -> None:
    _, end = Pipe()
    os.close(end.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.start("sr4k-it", toy_errands.tell_all, [end])
    end._handle = None  # type: ignore[attr-defined] # it is closed


@pytest.mark.parametrize(("limit", "told"), [(26, "255 [Errno 24] Too many open files"), (60, "0 None")])
def test_a_worker_for_which_there_are_too_few_descriptors_is_refused_and_nothing_hangs(limit: int, told: str) -> None:
    code = f"""
import resource
from multiprocessing import Pipe
import toy_errands
from sr4k.pipeline.fork_server import ForkServer
resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
server = ForkServer([])
pairs = [Pipe(duplex=False) for _ in range(20)]
resource.prlimit(server._process.pid, resource.RLIMIT_NOFILE, ({limit}, {limit}))
worker = server.start("sr4k-it", toy_errands.tell_all, [end for _, end in pairs])
print(worker.wait(60), worker.refusal)
server.close()
"""
    done = run_program(code)
    assert (done.stdout, done.stderr) == (f"{told}\n", "")


def test_a_supervisor_that_goes_without_reading_the_news_leaves_no_traceback() -> None:
    code = """
import time
from sr4k.pipeline.fork_server import ForkServer
server = ForkServer([])
worker = server.start("sr4k-it", print)
server.start("sr4k-it", print)
worker.wait(60)
time.sleep(0.3)
server.close()
"""
    done = run_program(code)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_server_that_can_not_import_is_the_cause_that_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    server = ForkServer(["no_such_module"])
    assert server.start("sr4k-it", print).wait(60) == 1
    server.close()
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_its_standard_output_is_that_of_the_moment() -> None:
    code = """
import os
from sr4k.pipeline.fork_server import ForkServer, warmed_up, fork_server
with warmed_up():
    os.dup2(2, 1)
    server = fork_server([])
    print(server.start("sr4k-it", os.write, 1, b"here").wait(60), file=__import__("sys").stderr)
    server.close()
"""
    done = run_program(code)
    assert (done.stdout, done.stderr) == ("", "here0\n")


def test_who_waits_too_shortly_is_told_and_a_kill_ends_it(server: ForkServer) -> None:
    worker = server.start("sr4k-endless", signal.pause)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.05)
    worker.kill()
    assert worker.wait(60) == -signal.SIGKILL
    worker.kill()  # which does no harm


def test_none_outlives_the_server(server: ForkServer) -> None:
    worker = server.start("sr4k-endless", signal.pause)
    eventually(lambda: worker.poll() is not None or worker.pid is not None, 60)
    pid = worker.pid
    assert pid is not None
    server.kill()
    assert worker.wait(60) == -signal.SIGKILL
    eventually(lambda: not is_alive(pid), 60)


def test_a_kill_that_comes_as_the_worker_has_just_ended_with_its_server_does_no_harm(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = server.start("sr4k-endless", signal.pause)
    monkeypatch.setattr(server, "heed", lambda _timeout: None)  # the news has not come yet
    worker.pid = 2**22 + 1  # which no process has
    worker.kill()


def test_closing_ends_those_that_still_run() -> None:
    server = ForkServer([])
    worker = server.start("sr4k-endless", signal.pause)
    eventually(lambda: worker.poll() is not None or worker.pid is not None, 60)
    pid = worker.pid
    assert pid is not None
    server.close()
    eventually(lambda: not is_alive(pid), 60)


def test_one_that_is_warm_is_used_once_or_ends() -> None:
    with forking.warmed_up("array"):
        (warm,) = forking._waiting
        first, second = forking.fork_server(["array"]), forking.fork_server(["array"])
        assert first is warm and second is not warm
        first.close()
        second.close()
    with forking.warmed_up("array"):
        (warm,) = forking._waiting
    assert warm._process.returncode is not None and forking._waiting == []


@pytest.mark.slow(seconds=1)
def test_it_leaves_nothing_open_that_python_would_tell_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    run = "s = ForkServer([]); print(s.start('sr4k-it', int).wait(60)); s.close()"
    done = run_program(f"from sr4k.pipeline.fork_server import ForkServer; {run}")
    assert (done.stdout, done.stderr) == ("0\n", "")


def run_program(code: str) -> "subprocess.CompletedProcess[str]":
    support = str(Path(__file__).parents[1] / "support")
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": support},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
