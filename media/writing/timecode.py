"""Timecodes, which MP4 and MOV store as a track that the muxer makes of a tag."""

import re
from fractions import Fraction

TAG = "timecode"

_CODE = re.compile(r"\d\d:[0-5]\d:[0-5]\d(?P<before>[:;.])(?P<frame>\d{2,3})")

_NTSC = Fraction(1001, 30_000)


def fits(code: str, rate: Fraction) -> bool:
    """Whether a timecode is valid at a rate in frames per second; ``;`` and ``.`` mark drop-frame timecodes."""
    match = _CODE.fullmatch(code)
    if match is None or int(match["frame"]) >= round(rate):
        return False
    return match["before"] == ":" or (rate * _NTSC).denominator == 1
