"""Workers run nothing of the current folder or of the program that starts them, and find the modules of its user."""

import os
import pickle
import subprocess
import sys
import zipapp
from collections.abc import ItemsView, Iterator
from pathlib import Path
from typing import Any

import bait
import pytest

from sr4k.pipeline import spawning
from sr4k.pipeline.starting import start_process

SUPPORT = Path(__file__).parents[1] / "support"

PROGRAM = """
from pathlib import Path

import cv2  # which puts an empty entry into LD_LIBRARY_PATH
import mine
from sr4k.common.logs import collected_logs, log_wire
from sr4k.pipeline import GraphSpec, StageSpec, WorkerSpec, run_graph
from toy_stages import Collecting, Counting
import logging, os

first = WorkerSpec("first", (StageSpec("mine:Counter", mine.Wishes(frames=3)),))
last = WorkerSpec("last", (StageSpec("toy_stages:Collector", Collecting(Path("numbers.txt"))),))
with collected_logs(logging.NullHandler(), logging.INFO), log_wire() as wire:
    outcome = run_graph(GraphSpec((first, last), (2,)), prepare=wire)
print(outcome.reports["collector"], "PYTHONSAFEPATH" in os.environ)
"""

MINE = """
from toy_stages import Counter, Counting

class Wishes(Counting):
    pass
"""


def ran(*command: str | Path, cwd: Path, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=bait.environment(PYTHONPATH=str(SUPPORT), **environment),
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program of the user's, beside a module of the user's."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "program.py").write_text(PROGRAM)
    return folder / "program.py"


@pytest.mark.slow
def test_workers_run_nothing_of_the_current_folder_and_find_the_users_modules(program: Path, tmp_path: Path) -> None:
    folder = bait.set_out(tmp_path / "downloads")
    done = ran(program, cwd=folder)
    assert bait.ran(folder) == []
    assert done.stderr == ""
    assert done.stdout.endswith("False\n")


@pytest.mark.slow
def test_nor_do_they_if_the_program_itself_looks_there(program: Path, tmp_path: Path) -> None:
    folder = bait.set_out(tmp_path / "downloads")
    code = PROGRAM.replace("with collected_logs", f"os.chdir({str(folder)!r})\nwith collected_logs")
    done = ran(
        "-c", f"import sys\nassert sys.path[0] == ''\nsys.path.append({str(program.parent)!r})\n{code}", cwd=tmp_path
    )
    assert bait.ran(folder) == []
    assert (done.stderr, done.stdout) == ("", "{'complete': True} False\n")


TOLD = """
import sys
from pathlib import Path
from sr4k.pipeline import GraphSpec, StageSpec, WorkerSpec, run_graph
from toy_stages import Collecting, Counting

print(__name__)
first = WorkerSpec("first", (StageSpec("toy_stages:Counter", Counting(3)),))
last = WorkerSpec("last", (StageSpec("toy_stages:Collector", Collecting(Path("numbers.txt"))),))
run_graph(GraphSpec((first, last), (2,)))
"""
"""A program that has no ``if __name__ == "__main__"``."""


def started(kind: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in one of the ways that a program can be started."""
    match kind:
        case "script":
            (folder / "script.py").write_text(TOLD)
            return ran("script.py", cwd=folder)
        case "text":
            return ran("-c", TOLD, cwd=folder)
        case "standard input":
            return ran("-", cwd=folder, text=TOLD)
        case "package":
            (folder / "package").mkdir()
            (folder / "package" / "__main__.py").write_text(TOLD)
            return ran("-m", "package", cwd=folder)
        case "zip archive":
            (folder / "zipped").mkdir()
            (folder / "zipped" / "__main__.py").write_text(TOLD)
            zipapp.create_archive(folder / "zipped", folder / "program.pyz")
            return ran("program.pyz", cwd=folder)
        case "embedded":  # in a program that isn't Python, and whose main module is of no file
            return ran(
                "-c", f"import sys; sys.executable = '/usr/sbin/server'; del __spec__, __loader__\n{TOLD}", cwd=folder
            )
        case _:
            raise ValueError(kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["script", "text", "standard input", "package", "zip archive", "embedded"])
def test_a_program_needs_no_guard_however_it_is_started(kind: str, tmp_path: Path) -> None:
    done = started(kind, tmp_path)
    assert (done.stdout, done.stderr) == ("__main__\n", ""), "it runs once"
    assert (tmp_path / "numbers.txt").read_text().splitlines() == [f"{n} {n} {n}" for n in range(3)]


@pytest.mark.slow(seconds=1)
def test_threads_do_not_end_a_program_that_broken_pipes_may_kill(tmp_path: Path) -> None:
    code = TOLD.replace('Path("numbers.txt")', 'Path("numbers.txt"), seconds=0.05').replace("(2,)", '(2,), "threads"')
    done = ran("-c", f"import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n{code}", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_processes_that_are_started_have_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib:")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    environment = spawning.clean_environment()
    assert environment["LD_LIBRARY_PATH"] == "/opt/lib"
    assert environment["PYTHONSAFEPATH"] == "1"
    assert os.environ["LD_LIBRARY_PATH"] == "/opt/lib:"
    assert "PYTHONSAFEPATH" not in os.environ
    monkeypatch.setenv("LD_LIBRARY_PATH", ":")
    assert "LD_LIBRARY_PATH" not in spawning.clean_environment()


def test_switches_for_modules_and_text_are_those_of_the_program_and_warnings_stay_warnings(tmp_path: Path) -> None:
    code = "from sr4k.pipeline.spawning import interpreter; print(interpreter()[1:])"
    done = ran("-s", "-X", "utf8", "-Werror", "-c", code, cwd=tmp_path)
    assert done.stdout.strip() == str(["-P", "-s", "-Xutf8"])


def test_a_class_of_the_main_module_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine:
        pass

    monkeypatch.setattr(Mine, "__module__", "__main__")
    with pytest.raises(Exception, match="Mine is of the main module, which workers don't import"):
        start_process("sr4k-test", print, Mine())


def test_a_variable_that_another_thread_removes_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Changing(dict[str, str]):
        """An environment like `os.environ`, whose last variable is removed once its names have been listed."""

        def __iter__(self) -> Iterator[str]:
            names = [*self.keys()]
            self.pop("SECRET")
            return iter(names)

        def items(self) -> Any:
            return ItemsView(self)

    monkeypatch.setattr(os, "environ", Changing(HOME="/", SECRET="k3y"))
    assert spawning.clean_environment() == {"HOME": "/", "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize("sent", [0, 1])
@pytest.mark.parametrize("module", ["sr4k.pipeline.starting", "sr4k.pipeline.fork_server", "sr4k.live.child_main"])
def test_a_process_whose_starter_is_stopped_before_it_has_sent_all_ends_in_silence(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: str, sent: int
) -> None:
    with monkeypatch.context() as patch:
        if not sent:
            patch.setattr(pickle, "dump", lambda *_args: None)
        process, pipe = spawning.spawn(module, "test")
    pipe.close()
    assert process.wait(60) == 0
    assert capfd.readouterr() == ("", "")
