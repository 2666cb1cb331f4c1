"""Settings of the stages of a live channel. Light to import.

They are plain data except for the ends of pipes and sockets: sound bypasses the graph from intake to playout, the
playout signals the intake when it is ready, and both hear what operators want. `sr4k.jobs` creates these, and their
ends are passed to the stages' processes with the settings.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from sr4k.live.address import Address
from sr4k.media.options import Codec, EncoderKind, ResultSize

Segments = Literal["ts", "fmp4"]
"""Container of HLS segments: MPEG-TS or fragmented MP4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HlsForm:
    """Form of HLS segments.

    Attributes:
        kind: MPEG-TS or fragmented MP4.
        seconds: interval between the starts of two segments, on the stream's own clock.
        longest: EXT-X-TARGETDURATION of the playlist, in seconds: no segment's rounded duration exceeds it.
    """

    kind: Segments = "ts"
    seconds: float = 2.0
    longest: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings:
    """Settings of the intake: where frames and sound come from.

    Attributes:
        source: address to pull.
        sound: pipe to send blocks of sound to, as `sr4k.live.audio_blocks.pack` makes them; ``None``: discard sound.
        freshness: maximum age of a frame in seconds since its arrival; older ones are dropped before the network.
        tries: consecutive connections that may fail before the intake gives up; ``None``: no limit.
        ready: pipe on which the playout signals that it accepts frames; ``None``: start without a signal.
        size: size of the output, which decides what there is to save when the machine is too slow.
        light: whether there is a smaller network, for when the machine is too slow.
        line: what operators want comes by it; see `sr4k.live.steering`; ``None``: nobody steers.
    """

    source: Address
    sound: Connection | None
    freshness: float = 0.5
    tries: int | None = None
    ready: Connection | None = None
    size: ResultSize = None
    light: bool = False
    line: socket.socket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayoutSettings:
    """Settings of the playout: how frames and sound are encoded, and where they go.

    Attributes:
        targets: addresses to push the same stream to.
        sound: pipe to receive blocks of sound from; ``None``: the output has no sound track.
        codec, encoder, bitrate, preset, options: as in `sr4k.media.options.EncoderSettings`; without a ``bitrate``, it
            is computed from size and rate.
        key_seconds: interval between key frames, in seconds.
        hold: seconds without a frame, or sound, after which the last frame is repeated, or silence is inserted.
        slate: image file to show instead of repeating the last frame.
        sound_bitrate: audio bit rate, in bits per second.
        segments: container of the segments of HLS targets.
        ready: pipe on which to signal that frames are accepted; ``None``: send no signal.
        patient: whether to send that signal only when the targets' processes have started, which takes CPU time.
        line: as for the intake.
    """

    targets: tuple[Address, ...]
    sound: Connection | None
    codec: Codec = "h264"
    encoder: EncoderKind = "software"
    bitrate: int | None = None
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    key_seconds: float = 2.0
    hold: float = 0.5
    slate: Path | None = None
    sound_bitrate: int = 160_000
    segments: Segments = "ts"
    ready: Connection | None = None
    patient: bool = False
    line: socket.socket | None = None
