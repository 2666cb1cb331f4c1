"""Sound without a gap, out of pieces that come with times: what goes between two of them, and what is cut off."""

from fractions import Fraction

JITTER = Fraction(1, 50)
"""Seconds by which times may be off from where the samples so far end: containers round them, and networks too."""

LONGEST_GAP = 10
"""Seconds of silence that a gap is filled with, at most."""


def seam(ahead: int, rate: int, *, exact: bool = False) -> tuple[int, int]:
    """How a piece of sound is joined to what there is.

    Args:
        ahead: samples from where what there is ends to where the piece belongs; below 0 where they overlap.
        rate: samples a second.
        exact: join it where it belongs, however little that is off; else it follows what there is, within `JITTER`.

    Returns:
        Samples of silence before the piece, and samples to be cut off its beginning.
    """
    if not exact and abs(ahead) <= JITTER * rate:
        return 0, 0
    return max(0, ahead), max(0, -ahead)
