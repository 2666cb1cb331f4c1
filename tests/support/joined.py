"""Join recordings whose clock starts again, jumps or wraps."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av


def joined(path: Path, *parts: Path) -> Path:
    """Concatenate the bytes of files, as ``cat`` does; return the path."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def moved(path: Path, clip: Path, seconds: float) -> Path:
    """Copy a clip with timestamps ``seconds`` later; return the path."""
    with av.open(str(clip)) as source, av.open(str(path), "w", options={"output_ts_offset": str(seconds)}) as target:
        streams = {s.index: target.add_stream_from_template(s, opaque=True) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return path


def times(path: Path, kind: str) -> list[Fraction]:
    """Return the pts of all packets of the first stream of a type, in seconds, sorted."""
    with av.open(str(path)) as source:
        stream: Any = next(stream for stream in source.streams if stream.type == kind)
        return sorted(p.pts * Fraction(p.time_base) for p in source.demux(stream) if p.pts is not None)
