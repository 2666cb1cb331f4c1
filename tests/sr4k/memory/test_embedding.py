"""An upscaler in somebody else's program: what it must leave alone, and where it must work."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HOST = """
import json, logging, multiprocessing, os, signal, sys, tempfile, threading, warnings
from pathlib import Path

import cv2
import numpy as np

cv2.setNumThreads(3)
tempfile.tempdir = str(Path("temp").absolute())
told = {}


def belongings():
    root = logging.getLogger()
    return repr((
        root.handlers, root.level, logging.getLogger("sr4k").handlers, warnings.filters, warnings.showwarning,
        [signal.getsignal(number) for number in sorted(signal.valid_signals())], sys.path, dict(os.environ),
        os.getcwd(), os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0), cv2.getNumThreads(), os.umask(0o22),
        threading.active_count(), multiprocessing.active_children(), sys.gettrace(), sys.excepthook, sys.stdout,
    ))


before = belongings()
import sr4k

told["torch"] = "torch" in sys.modules
up = sr4k.Upscaler(threads=1)
frame = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
expected = up(frame)
frames = up.frames([frame] * 5)
next(frames)
told["same"] = all(np.array_equal(made, expected) for made in frames)
told["left alone"] = belongings() == before
told["torch later"] = "torch" in sys.modules
children = Path("/proc/self/task", str(os.getpid()), "children")
told["children"] = children.read_text()
told["temp"] = os.listdir("temp")
busy = up.frames([frame] * 9)
next(busy)


def in_worker():
    says.send((multiprocessing.current_process().daemon, up(frame).tolist() == expected.tolist()))


hears, says = multiprocessing.Pipe(duplex=False)
worker = multiprocessing.get_context("fork").Process(target=in_worker, daemon=True)
worker.start()
told["worker"] = hears.recv() if hears.poll(60) else None
worker.join()
child = os.fork()
if not child:
    sys.exit(0 if np.array_equal(up(frame), expected) else 1)
told["ended"] = os.waitpid(child, 0)[1]
told["beside"] = len(list(busy))
up.close()
told["again"] = np.array_equal(up(frame), expected)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program says that has an upscaler, in a folder where nothing of ours lies."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "temp").mkdir()
    (folder / "host.py").write_text(HOST)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "host.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)  # nothing else is on stdout
    assert sorted(path.name for path in folder.iterdir()) == ["host.py", "temp"]
    return found


def test_the_process_stays_as_it_was(told: dict[str, Any]) -> None:
    assert told["left alone"]


def test_there_are_no_processes_no_temporary_files_and_no_pytorch(told: dict[str, Any]) -> None:
    assert told["children"].split() == []
    assert told["temp"] == []
    assert not told["torch"] and not told["torch later"]


def test_it_works_in_a_daemonic_process_and_in_one_that_was_forked_at_work(told: dict[str, Any]) -> None:
    assert told["same"]
    assert told["worker"] == [True, True]
    assert told["ended"] == 0
    assert told["beside"] == 8 and told["again"]


def test_the_engine_torch_leaves_the_threads_of_pytorch_alone() -> None:
    torch = pytest.importorskip("torch")
    import numpy as np

    from sr4k import Upscaler

    before = torch.get_num_threads()
    with Upscaler(engine="torch", threads=before + 1) as up:
        assert up(np.zeros((4, 4, 3), np.uint8)).shape == (8, 8, 3)
        assert torch.get_num_threads() == before


BUSY = """
import atexit, itertools, threading

atexit.register(lambda: print(up(np.zeros((4, 4, 3), np.uint8)).shape))
import numpy as np, sr4k

up, begun = sr4k.Upscaler(), threading.Semaphore(0)


def picture(height):
    begun.release()
    return np.zeros((height, 160, 3), np.uint8)


def iterate():
    for _ in up.frames(map(picture, itertools.repeat(90))):
        pass


def call():
    for height in itertools.cycle((40, 50, 60, 70)):
        up(picture(height))


def wait():
    next(up.frames(iter(threading.Event().wait, None)))


for work in (iterate, call, wait):
    threading.Thread(target=work, daemon=True).start()
for _ in range(12):
    begun.acquire()
"""


@pytest.mark.slow(seconds=1)
def test_a_program_ends_while_its_daemon_threads_upscale() -> None:
    ran = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "(8, 8, 3)\n", "")


@pytest.mark.slow(seconds=1)
def test_the_readmes_line_prints_the_shape_anywhere(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    line = "import numpy as np, sr4k; u = sr4k.Upscaler(); print(u(np.zeros((90, 160, 3), np.uint8)).shape)"
    assert line in page
    ran = subprocess.run([sys.executable, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("(180, 320, 3)\n", "")


SIGNALLED = """
import os, signal
import numpy as np
from sr4k import Upscaler
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
frame = np.zeros((16, 16, 3), np.uint8)
with Upscaler() as first:
    first(frame)
    with Upscaler("luma-large") as second:
        second(frame)
        first.close()
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow(seconds=1)
def test_a_program_hears_signals_after_networks_are_closed_in_any_order() -> None:
    ran = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=True)
    assert ran.stdout == "heard\n"


FORKED = """
import os, signal, sys
import numpy as np
from sr4k import EngineError, Upscaler
frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
expected = Upscaler()(frame)  # freed at once


def in_child(work):
    child = os.fork()
    if not child:
        signal.alarm(60)
        sys.exit(0 if work() else 1)
    print(os.waitpid(child, 0)[1])


def upscaled():
    return np.array_equal(Upscaler()(frame), expected)


in_child(upscaled)
with Upscaler() as up:
    for side in range(10, 50, 8):  # more sizes than are kept
        up(frame[:side, :side])
    in_child(upscaled)
in_child(lambda: np.array_equal(up(frame), expected))
open_one = Upscaler()
begun = open_one.frames([frame] * 9)
next(begun)


def refused():
    try:
        next(begun)
    except EngineError as err:
        return "before the process was forked" in str(err) and upscaled()


in_child(refused)
print(sum(1 for _ in begun))
"""


@pytest.mark.slow(seconds=1)
def test_forked_processes_upscale_whatever_their_parent_has_closed_before() -> None:
    code = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]
    ran = subprocess.run(code, capture_output=True, text=True, timeout=300)
    assert (ran.stdout.split(), ran.stderr) == (["0", "0", "0", "0", "8"], "")


FORKED_WITH_TORCH = """
import os, sys
import numpy as np
from sr4k import EngineError, Upscaler
frame = np.zeros((8, 8, 3), np.uint8)
Upscaler(engine="torch")(frame)
child = os.fork()
if not child:
    try:
        Upscaler(engine="torch")(frame)
    except EngineError as err:
        print(err, flush=True)
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.slow(seconds=1)
def test_the_engine_torch_says_that_it_does_not_outlive_a_fork() -> None:
    pytest.importorskip("torch")
    code = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED_WITH_TORCH]
    ran = subprocess.run(code, capture_output=True, text=True, timeout=300)
    said, status = ran.stdout.splitlines()
    assert said.startswith("PyTorch was used before this process was forked") and status == "0"
