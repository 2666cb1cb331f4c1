"""Timecodes, which MP4 and MOV keep as a track of their own: a tag tells it to the muxer."""

import re
from fractions import Fraction

TAG = "timecode"

_CODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d(?P<before>[:;.])(?P<frame>\d{2,3})")

_NTSC = Fraction(1001, 30_000)


def fits(code: str, rate: Fraction) -> bool:
    """Whether it can be the first of a track with so many frames a second; ``;`` and ``.`` count as dropping frames."""
    match = _CODE.fullmatch(code)
    if match is None or int(match["frame"]) >= round(rate):
        return False
    return match["before"] == ":" or (rate * _NTSC).denominator == 1
