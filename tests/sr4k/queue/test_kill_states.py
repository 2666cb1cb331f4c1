"""``sr4k serve`` is killed in each state of a job in turn, and the job lives on; see `benchmarks/queue_kills.py`."""

from pathlib import Path

import pytest
from queue_kills import STATES, live


@pytest.mark.long
@pytest.mark.slow(seconds=30)
def test_a_job_lives_through_kills_of_its_service_in_all_states_and_at_most_a_segment_is_made_again(
    tmp_path: Path,
) -> None:
    life = live(tmp_path / "place")
    assert len(life.killed) == len(STATES)
    assert (life.lost, life.wrong) == (0, [])
    assert life.again <= 1
