import os
import sys

import pytest

from sr4k.common.library_lines import library_lines


def test_lines_of_libraries_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with library_lines() as lines:
        os.write(2, b"one\n two\n")
    os.write(2, b"three\n")
    assert (lines, capfd.readouterr().err) == (["one", "two"], "three\n")


def test_a_closed_stderr_is_left_alone(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with library_lines() as lines:
        os.write(2, b"to whatever has the descriptor\n")
    assert (lines, capfd.readouterr().err) == ([], "to whatever has the descriptor\n")
