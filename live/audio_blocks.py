"""Sound on its way from the intake to the playout: interleaved s16 little-endian stereo at 48 kHz, with its time."""

import struct

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
CHANNELS = 2

Samples = NDArray[np.int16]
"""Shape (n, 2)."""

_TIME = struct.Struct("<q")


def pack(pts: int, samples: bytes) -> bytes:
    """One message; ``pts`` of its first sample, in 1/90000 s."""
    return _TIME.pack(pts) + samples


def unpack(message: bytes) -> tuple[int, Samples]:
    """What `pack` made."""
    (pts,) = _TIME.unpack_from(message)
    return pts, np.frombuffer(message, "<i2", offset=_TIME.size).reshape(-1, CHANNELS)
