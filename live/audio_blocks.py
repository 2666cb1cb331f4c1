"""Blocks of sound between intake and playout: interleaved s16 little-endian stereo at 48 kHz, with a pts."""

import struct

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
CHANNELS = 2

Samples = NDArray[np.int16]
"""Stereo samples, shape (n, 2)."""

_TIME = struct.Struct("<q")


def pack(pts: int, samples: bytes) -> bytes:
    """Return a message of these sample bytes; ``pts`` is the time of the first sample, in 1/90000 s."""
    return _TIME.pack(pts) + samples


def unpack(message: bytes) -> tuple[int, Samples]:
    """Return pts and samples of a message made by `pack`; the samples are a read-only view of it."""
    (pts,) = _TIME.unpack_from(message)
    return pts, np.frombuffer(message, "<i2", offset=_TIME.size).reshape(-1, CHANNELS)
