"""Processes of this machine, which end while one looks at them."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rig.channel import eventually
from rig.processes import below, children_of, command_of, environment_of, is_alive, with_variable

ENDED = 2**22 + 1
"""No process has this number: the kernel gives none above 2**22."""

CHILD = "import time; print(1, flush=True); time.sleep(300)"

PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def parent() -> Iterator["subprocess.Popen[bytes]"]:
    environment = os.environ | {"MARK": f"of {os.getpid()}"}
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        for pid in (process.pid, *below(process.pid)):
            os.kill(pid, 9)


def test_those_below_are_found_by_parent_and_by_environment(parent: "subprocess.Popen[bytes]") -> None:
    (child,) = below(parent.pid)
    assert parent.pid in children_of(os.getpid())
    assert child not in children_of(os.getpid())
    assert command_of(child).endswith(CHILD)
    assert f"MARK=of {os.getpid()}" in environment_of(child).split("\0")
    marked = list(with_variable(f"MARK=of {os.getpid()}"))
    assert marked == sorted((pid, command_of(pid)) for pid in (parent.pid, child))
    assert not list(with_variable(f"MARK=of {str(os.getpid())[:-1]}"))


def test_one_that_has_ended_is_not_alive_before_it_was_waited_for(parent: "subprocess.Popen[bytes]") -> None:
    (child,) = below(parent.pid)
    assert is_alive(parent.pid)
    parent.kill()
    eventually(lambda: not is_alive(parent.pid), 60)
    assert parent.returncode is None
    assert parent.pid not in children_of(os.getpid())
    os.kill(child, 9)


def test_one_that_is_gone_has_nothing_to_tell() -> None:
    assert (below(ENDED), children_of(ENDED), is_alive(ENDED)) == ([], [], False)
    assert (command_of(ENDED), environment_of(ENDED)) == ("", "")
