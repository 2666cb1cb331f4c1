import pytest
from live_latency import BOUNDS, median_within

from sr4k.live.histogram import Histogram


def test_each_value_counts_once_at_the_first_bound_that_holds_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.add(value)
    told = histogram.report()
    assert (told.bounds, told.counts) == ((0.1, 1.0), (2, 1, 1))
    assert told.sum == pytest.approx(7.65)


def test_the_median_is_read_off_the_counts() -> None:
    within = {f"within {bound}": 100.0 if bound == "+Inf" or float(bound) >= 0.1 else 0.0 for bound in BOUNDS}
    assert median_within(within) == pytest.approx((0.075 + 0.1) / 2)
