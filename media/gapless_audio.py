"""Joins timed pieces of audio without gaps: how much silence to insert between two, and how much to cut."""

from fractions import Fraction

JITTER = Fraction(1, 50)
"""Seconds by which a timestamp may be off from the end of the samples so far: containers and networks round them."""

LONGEST_GAP = 10
"""Longest gap, in seconds, that is filled with silence."""


def seam(ahead: int, rate: int, *, exact: bool = False) -> tuple[int, int]:
    """Compute how a piece of audio is joined to the audio before it.

    Args:
        ahead: samples from the end of the audio so far to the start of the piece; negative where they overlap.
        rate: samples a second.
        exact: place the piece at its own time, however small the difference; else differences within `JITTER` are
            ignored, and the piece follows directly.

    Returns:
        Samples of silence before the piece, and samples to cut off its beginning.
    """
    if not exact and abs(ahead) <= JITTER * rate:
        return 0, 0
    return max(0, ahead), max(0, -ahead)
