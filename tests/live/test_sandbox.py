"""Each limit of the sandbox, in a real process that tries what `enter` forbids."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sr4k.live import landlock

BEFORE = "import os, resource, sys, time\nfrom sr4k.live import sandbox\n"


def run(script: str, *args: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", f"{BEFORE}{before}\n{script}", *args],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_no_new_privileges_can_be_had() -> None:
    done = run("sandbox.enter()\nprint(open('/proc/self/status').read())")
    assert "NoNewPrivs:\t1" in done.stdout


def test_memory_beyond_the_limit_is_a_memory_error() -> None:
    script = "sandbox.enter(256 << 20)\nb = bytearray(64 << 20)\nprint('some')\nc = bytearray(300 << 20)"
    done = run(script)
    assert done.stdout == "some\n"
    assert "MemoryError" in done.stderr


@pytest.mark.slow(seconds=1)
def test_what_was_mapped_before_does_not_count() -> None:
    done = run("sandbox.enter(64 << 20)\nbytearray(32 << 20)\nprint('some')", before="held = bytearray(512 << 20)")
    assert done.stdout == "some\n"


def test_no_file_can_be_written_not_even_one_that_was_open(tmp_path: Path) -> None:
    target = tmp_path / "a"
    before = f"held = open({str(target)!r}, 'wb', 0)"
    done = run("sandbox.enter()\nheld.write(b'x')", before=before)
    assert "File too large" in done.stderr
    assert target.stat().st_size == 0


ATTEMPTS = {
    "overwrite": "import mmap; fd = os.open('kept', os.O_RDWR); mmap.mmap(fd, 4)[:] = b'evil'",
    "truncate": "os.close(os.open('kept', os.O_WRONLY | os.O_TRUNC))",
    "truncate by name": "os.truncate('kept', 0)",
    "delete": "os.unlink('kept')",
    "delete a folder": "os.rmdir('folder')",
    "rename": "os.rename('kept', 'moved')",
    "move over another": "os.replace('other', 'kept')",
    "move into another folder": "os.rename('kept', 'folder/kept')",
    "link": "os.link('kept', 'folder/kept')",
    "symlink": "os.symlink('/etc/passwd', 'link')",
    "make a folder": "os.mkdir('new')",
    "make a file": "os.close(os.open('new', os.O_CREAT | os.O_WRONLY))",
    "make a named pipe": "os.mkfifo('new')",
    "make a socket": "import socket; socket.socket(socket.AF_UNIX).bind('new')",
    "run a program": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "signal another process": "os.kill(os.getppid(), 0)",
    "listen": "import socket; socket.socket().bind(('127.0.0.1', 0))",
}


@pytest.fixture
def _landlocked() -> None:
    if landlock.version() < 6:
        pytest.skip(f"this kernel's Landlock is of version {landlock.version()}")


@pytest.mark.usefixtures("_landlocked")
def test_nothing_of_the_users_can_be_changed_and_nothing_run(tmp_path: Path) -> None:
    for name in ("kept", "other"):
        (tmp_path / name).write_text("precious")
    (tmp_path / "folder").mkdir()
    script = (
        f"sandbox.enter()\nos.chdir(sys.argv[1])\nfor name, attempt in {ATTEMPTS!r}.items():\n"
        "    try: exec(attempt)\n    except PermissionError: continue\n    print(name, 'is possible')\n"
        "print('read:', open('kept').read(), open('/dev/null', 'w').fileno() > 0)"
    )
    done = run(script, str(tmp_path))
    assert (done.stdout, done.stderr) == ("read: precious True\n", "")
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "other", "folder"}
    assert (tmp_path / "kept").read_text() == (tmp_path / "other").read_text() == "precious"


@pytest.mark.usefixtures("_landlocked")
def test_a_program_that_is_needed_may_be_run_and_no_other(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexec /bin/echo said\n")
    script.chmod(0o700)
    attempt = "import subprocess\nsandbox.confine([sys.argv[1]])\nsandbox.enter()\nsubprocess.run(sys.argv[1:3])"
    assert run(attempt, "/bin/echo", "said").stdout == "said\n"
    assert run(attempt, str(script), "x").stdout == "said\n"
    refused = run(f"{attempt}\nsubprocess.run(['/bin/true'])", "/bin/echo", "said")
    assert (refused.stdout, "Permission denied" in refused.stderr) == ("said\n", True)


def test_without_landlock_there_are_still_limits(tmp_path: Path) -> None:
    done = run(
        "sandbox.enter()\nopen(sys.argv[1], 'wb', 0).write(b'x')",
        str(tmp_path / "a"),
        before="from sr4k.live import landlock\nlandlock._call = lambda *_: -1",
    )
    assert "File too large" in done.stderr


def test_shared_memory_that_the_parent_has_sized_can_be_written() -> None:
    before = "import mmap\nfd = os.memfd_create('a')\nos.ftruncate(fd, 8192)"
    done = run("sandbox.enter()\nm = mmap.mmap(fd, 8192)\nm[:4] = b'abcd'\nprint(os.pread(fd, 4, 0))", before=before)
    assert done.stdout == "b'abcd'\n"
    grown = run("sandbox.enter()\nos.ftruncate(fd, 16384)", before=before)
    assert "File too large" in grown.stderr


def test_few_files_can_be_open() -> None:
    done = run("sandbox.enter()\nheld = [os.open('/dev/null', os.O_RDONLY) for _ in range(100)]")
    assert "Too many open files" in done.stderr


def test_nothing_can_be_raised_again_and_no_core_is_dumped() -> None:
    script = (
        "sandbox.enter()\n"
        "for name in ('AS', 'FSIZE', 'CORE', 'NOFILE'):\n"
        "    soft, hard = resource.getrlimit(getattr(resource, 'RLIMIT_' + name))\n"
        "    print(name, soft == hard, hard)\n"
    )
    told = dict(line.split(maxsplit=1) for line in run(script).stdout.splitlines())
    assert told["CORE"] == "True 0"
    assert told["FSIZE"] == "True 0"
    assert all(said.startswith("True") for said in told.values())


def test_limits_that_are_lower_already_stay() -> None:
    done = run(
        "sandbox.enter()\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))",
        before="resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))",
    )
    assert done.stdout == "(32, 32)\n"


@pytest.mark.slow
def test_a_process_that_spins_without_progress_is_ended() -> None:
    done = run("sandbox.enter()\nwhile True: pass", before="sandbox._CPU_AHEAD = 1")
    assert done.returncode == -signal.SIGXCPU


@pytest.mark.slow
def test_progress_prolongs_the_allowance() -> None:
    script = (
        "allowance = sandbox.enter()\nlast = time.process_time()\n"
        "while time.process_time() < 3.5:\n"
        "    if time.process_time() - last > 0.3:\n        allowance.renew(); last = time.process_time()\n"
        "print('alive')"
    )
    assert run(script, before="sandbox._CPU_AHEAD = 2; sandbox._RENEW_EVERY = 0.1").stdout == "alive\n"
