"""Damaged files through the command line, some of the thousands that ``benchmarks/fuzz.py`` makes."""

from pathlib import Path

import fuzz
import numpy as np
import pytest


@pytest.mark.slow(seconds=25)
def test_damaged_files_do_no_harm(tmp_path: Path) -> None:
    report = fuzz.fuzz(60, seed=1, keep=tmp_path / "kept", own_process_every=30)
    assert report.faults == []
    assert report.own_processes >= 2
    assert len(report.containers) == 8
    assert {"with losses", "refused"} <= set(report.outcomes)


def test_the_same_seed_damages_alike() -> None:
    data, other = bytes(range(256)) * 20, bytes(1000)
    made = [[fuzz.mutated(data, other, np.random.default_rng([0, n])) for n in range(50)] for _ in range(2)]
    assert made[0] == made[1]
    assert len(set(made[0])) > 45


def test_faults_are_seen(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.touch()
    (tmp_path / ".out.1.part.mp4").touch()
    seen = [*fuzz.faults(fuzz.Ending(0, "", "memfd", 1.0), tmp_path, source, target)]
    assert len(seen) == 3, "what is left open, a result that does not play, a temporary file"
    for code, words in ((None, "hangs"), (-11, "SIGSEGV"), (70, "exit code 70")):
        assert any(words in fault for fault in fuzz.faults(fuzz.Ending(code, "", "", 1.0), tmp_path, source, target))
