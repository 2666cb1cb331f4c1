"""Packets of AAC of another rate are as far apart as they last."""

from fractions import Fraction
from typing import Any

import av

from sr4k.media.reading.sound_times import SoundTimes

BEGAN, LATER = 48_000, 24_000
"""Rates in Hz."""
GUESSED, LASTS = 1920, 3840
"""Ticks that a packet lasts at either rate."""


def packet(pts: int) -> "av.Packet[Any]":
    made: av.Packet[Any] = av.Packet(bytes(9))
    made.pts = made.dts = pts
    made.time_base, made.duration = Fraction(1, 90_000), GUESSED
    return made


def corrected(rate: int, *times: int) -> list[int | None]:
    clock, packets = SoundTimes(), [packet(pts) for pts in times]
    for each in packets:
        clock.correct(each, rate, BEGAN)
    return [each.pts for each in packets]


def test_times_that_were_guessed_are_corrected_and_those_of_pes_packets_are_kept() -> None:
    first, second = 90_000, 90_000 + 3 * LASTS + 5
    guessed = [first + k * GUESSED for k in range(3)] + [second + k * GUESSED for k in range(2)]
    assert corrected(LATER, *guessed) == [first, first + LASTS, first + 2 * LASTS, second, second + LASTS]


def test_packets_of_the_first_rate_keep_their_times() -> None:
    times = [90_000, 91_920, 99_000, 98_000]
    assert corrected(BEGAN, *times) == times
