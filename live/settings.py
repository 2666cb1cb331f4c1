"""What the stages of a live channel can be told. Light to import.

Plain data, but for the ends of two pipes: sound goes from the intake to the playout beside the graph, not through it,
and the playout tells the intake when it is ready. Who builds the graph makes these pipes, and the ends go to the
stages' processes with their settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from sr4k.live.address import Address
from sr4k.media.options import Codec

Segments = Literal["ts", "fmp4"]
"""Of HLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsForm:
    """Of the segments of HLS.

    Attributes:
        kind: MPEG-TS or fragmented MP4.
        seconds: from one to the next, on the stream's own clock.
        longest: what a playlist promises that none exceeds, rounded to whole seconds.
    """

    kind: Segments = "ts"
    seconds: float = 2.0
    longest: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    """Where pictures and sound come from.

    Attributes:
        source: what to pull.
        sound: where blocks of sound go, as `sr4k.live.audio_blocks.pack` makes them; ``None``: nowhere.
        freshness: seconds behind its arrival after which a picture is not worth the network's time.
        tries: connections that may fail one after the other before it is given up; ``None``: for ever.
        ready: where the playout tells that it takes pictures; ``None``: it does not tell.
    """

    source: Address
    sound: Connection | None
    freshness: float = 0.5
    tries: int | None = None
    ready: Connection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutSettings:
    """Where they go.

    Attributes:
        targets: where to push to, all the same.
        sound: where blocks of sound come from; ``None``: there is to be no sound.
        codec, bitrate, preset, options: as of `sr4k.media.options.EncodeSettings`; without a ``bitrate``, one by
            size and rate.
        key_seconds: time between two key frames.
        hold: seconds without a picture, or sound, after which the last one is repeated, or there is silence.
        slate: a picture to show instead of the last one.
        sound_bitrate: bits a second.
        segments: of HLS targets.
        ready: where to tell that pictures are taken; ``None``: nobody asks.
    """

    targets: tuple[Address, ...]
    sound: Connection | None
    codec: Codec = "h264"
    bitrate: int | None = None
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    key_seconds: float = 2.0
    hold: float = 0.5
    slate: Path | None = None
    sound_bitrate: int = 160_000
    segments: Segments = "ts"
    ready: Connection | None = None
