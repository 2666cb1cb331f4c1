import subprocess
import sys
import threading

from sr4k.common.process_tree import resident_bytes

ROOM = 60 << 20
CHILD = f"import subprocess, sys; held = b'x' * {ROOM}; print(flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def measured(code: str) -> int:
    """Measure while a thread's child process runs ``code``, until it is stopped."""
    found = []

    def run() -> None:
        arguments = [sys.executable, "-c", code]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            found.append(resident_bytes(threading.get_native_id()))
            process.communicate("\n", timeout=240)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_children_count() -> None:
    assert ROOM < measured(CHILD) < ROOM + (40 << 20)


def test_grandchildren_count() -> None:
    assert measured(PARENT) > measured(CHILD) + (4 << 20)


def test_what_other_threads_started_does_not_count() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(resident_bytes(threading.get_native_id())))
        thread.start()
        thread.join()
        assert found == [0]
        process.communicate(b"\n", timeout=240)
