"""The benchmark of several videos at once: its page."""

import pytest

pytest.importorskip("psutil", reason="the benchmark needs psutil (extra [bench])")

import at_once


def test_ratios_are_of_commands_in_the_same_round() -> None:
    def took(seconds: float, mib: float) -> dict[str, float]:
        return {"seconds": seconds, "mib": mib, "threads": 40}

    rounds = [
        {"1": took(10, 900), "2": took(5, 1000)},
        {"2": took(20, 1100), "1": took(20, 800)},
        {"1": took(30, 900), "2": took(20, 1000)},
    ]
    machine = {"cpu": "a CPU", "cores_granted": 2, "flags": [], "versions": {}}
    page = at_once.as_markdown({"machine": machine, "videos": 2, "frames": 50, "rounds": rounds})
    assert "| 1 | 5.00 | 3.33-10.00 | **1.00** | 900 | 40 |" in page
    assert "| 2 | 5.00 | 5.00-20.00 | **1.50** | 1100 | 40 |" in page
