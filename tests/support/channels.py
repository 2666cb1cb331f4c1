"""Write clips in which each audio channel has a different tone, and find the tone of each channel in a result."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.layout import AudioLayout
from clips import blank

from sr4k.media.audio_mixer import Mixer
from sr4k.media.channel_layouts import Speakers
from sr4k.media.writing.passthrough import Passthrough

RATE = 48_000

TONES = {"LFE": 60, "FL": 300, "FR": 450, "FC": 600, "BL": 750, "BR": 900, "SL": 1050, "SR": 1200, "BC": 1350}
TONES |= {"FLC": 1500, "FRC": 1650}
"""Frequency of each speaker's tone, in hertz."""

BEHIND = {"SL": "BL", "SR": "BR"}


def clip_with_channels(
    path: Path, codec: str, layout: str, *, seconds: float = 0.5, video: str = "mpeg4", rate: int = RATE
) -> Path:
    """Write a short clip in which each speaker of the layout plays its tone; return its path."""
    names = [channel.name for channel in AudioLayout(layout).channels]
    time = np.arange(round(seconds * rate)) / rate
    samples = np.stack([0.3 * np.sin(2 * np.pi * TONES[name] * time) for name in names], 1)
    with av.open(str(path), "w") as target:
        pictures: Any = target.add_stream(video, rate=25)
        pictures.width, pictures.height = 64, 48
        sound: Any = target.add_stream(codec, rate=rate, layout=layout)
        for number in range(round(seconds * 25)):
            picture = blank(64, 48)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(pictures.encode(picture))
        target.mux(pictures.encode(None))
        for at in range(0, len(samples), 960):
            block = (samples[at : at + 960] * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            target.mux(sound.encode(frame))
        target.mux(sound.encode(None))
    return path


def pass_through(source: Path, target: Path) -> Passthrough:
    """Copy all streams but the video into another container, as a job does; return the `Passthrough`."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as out:
        codec, options = ("libvpx", {"deadline": "realtime"}) if target.suffix == ".webm" else ("libx264", {})
        video: Any = out.add_stream(codec, rate=25, options=options)
        video.width, video.height = 64, 48
        rest = Passthrough(whole, whole.streams.video[0], out, source)
        for number in range(2):
            picture = blank(64, 48)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        rest.mux_until(None)
        rest.end()
    return rest


def heard(path: Path) -> dict[str, int]:
    """Return the tone of each speaker in a file's first audio stream, in hertz; side speakers count as back ones."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        speakers = Speakers.of(stream)
        layout = speakers.usual if speakers.names is None else _native(speakers.names)
        assert layout is not None
        mixer = Mixer(speakers, layout, RATE)
        blocks = [part.to_ndarray() for frame in source.decode(stream) for part in mixer.mixed(frame)]
        blocks += [part.to_ndarray() for part in mixer.drained()]
    samples = np.concatenate(blocks, 1).reshape(-1, speakers.number)
    names = [channel.name for channel in AudioLayout(layout).channels]
    found = {name: _tone(samples[:, index]) for index, name in enumerate(names)}
    return {BEHIND.get(name, name): tone for name, tone in found.items() if tone}


def _native(names: tuple[str, ...]) -> str:
    """Return a layout of these channels in libav's order."""
    order = ["FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"]
    return "+".join(sorted(names, key=order.index))


def _tone(samples: "np.ndarray[Any, Any]") -> int:
    """Return the loudest frequency in hertz; 0 for silence."""
    if np.abs(samples).max() < 0.02:
        return 0
    spectrum = np.abs(np.fft.rfft(samples, 8 * RATE))
    return round(float(spectrum.argmax()) / 8 / 30) * 30
