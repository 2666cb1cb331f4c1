"""The longest segments are given out first, and at the end idle machines make again what lags."""

from dataclasses import dataclass

import pytest
from cluster_scale import Plant, finished

from sr4k.cluster.order import SILENT, lagging, longest_first
from sr4k.cluster.tasks import SegmentTask
from sr4k.media.reading.stretches import Stretch


@dataclass
class Run:
    task: SegmentTask
    machine: str
    began: float
    moved: float


def task(key: str, frames: int = 1500) -> SegmentTask:
    stretch = Stretch(number=0, after=None, begin=None, until=None, first=0, frames=frames, start=0.0, end=60.0)
    return SegmentTask(key=key, stretch=stretch, cpus=1)


def test_the_longest_segments_come_first_and_equal_ones_in_order() -> None:
    found = longest_first([task("a", 10), task("b", 30), task("c", 30), task("d", 20)])
    assert [each.key for each in found] == ["b", "c", "d", "a"]


def test_an_idle_machine_takes_what_began_first_of_all_that_lags() -> None:
    runs = [Run(task(key), key, began=began, moved=99.0) for key, began in (("a", 50.0), ("b", 40.0), ("c", 95.0))]
    chosen = lagging(runs, "idle", [20.0, 30.0, 30.0], 100.0)
    assert chosen is runs[1]
    assert lagging(runs, "idle", [60.0], 100.0) is None
    assert lagging(runs, "idle", [0.5], 100.0) is runs[1]
    assert lagging(runs[2:], "idle", [0.5], 100.0) is None, "no segment takes long before ten seconds"
    assert lagging(runs[1:2], "b", [20.0], 100.0) is None, "the machine that lags does not help itself"


def test_no_more_than_two_machines_make_the_same_segment() -> None:
    runs = [Run(task("a"), machine, began=0.0, moved=99.0) for machine in ("one", "two")]
    assert lagging(runs, "idle", [20.0], 100.0) is None


def test_what_has_made_no_frame_for_long_lags_even_before_any_segment_is_done() -> None:
    still = Run(task("a"), "one", began=0.0, moved=5.0)
    assert lagging([still], "idle", [], 6.0 + SILENT) is still
    assert lagging([still], "idle", [], 4.0 + SILENT) is None


def test_one_slow_machine_of_eight_does_not_hold_up_the_end() -> None:
    plant = Plant(machines=8, work=60.0, start=0.0, beside=0.0, slow={0: 0.1})
    made = finished(plant, [1500] * 40)
    alone = finished(plant, [1500] * 40, has_copies=False)
    assert made.twice >= 1 and alone.twice == 0
    assert alone.seconds == pytest.approx(600.0, rel=0.01), "the slow machine's only segment"
    assert made.seconds < 480.0


def test_long_segments_at_the_end_of_a_film_do_not_wait_until_the_end() -> None:
    plant = Plant(machines=4, work=60.0, start=0.0, beside=0.0)
    made = finished(plant, [150] * 8 + [1500])
    assert made.seconds == pytest.approx(60.0), "the long one first, the short ones beside it"


def test_many_machines_share_the_work_until_the_disk_is_busy() -> None:
    film = [1500] * 640
    times = [finished(Plant(machines=n, work=60.0, start=0.0, beside=0.0), film).seconds for n in (1, 64)]
    assert times[0] / times[1] == pytest.approx(64.0, rel=0.02)
    disk = finished(Plant(machines=64, work=60.0, start=0.0, beside=0.0, megabytes=1000, disk=500.0), film)
    assert disk.seconds == pytest.approx(640 * 1000 / 500, rel=0.05)
