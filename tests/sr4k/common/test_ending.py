import subprocess
import sys

import pytest


def ended(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=True)


def test_modules_are_left_alone_at_the_end() -> None:
    done = ended("import gc; from sr4k.common.ending import end_soon; end_soon(); print(gc.get_freeze_count())")
    assert int(done.stdout) > 0


@pytest.mark.slow
def test_triton_lists_nothing_at_the_end() -> None:
    pytest.importorskip("triton")
    done = ended("import gc, triton; gc.freeze(); from sr4k.common.ending import end_soon; end_soon()")
    assert done.stderr == ""
