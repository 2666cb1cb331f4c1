"""Channel layouts of audio, and how to read them from PyAV safely.

PyAV 18 returns the layout of a stream, and of each decoded frame, as a shallow copy of libav's structure. Where the
channel order is not libav's native one (a "custom" layout, common in QuickTime files), that structure owns memory, and
both copies free it: a double free. Only these uses are safe, and this module is limited to them:

- The layout of a codec context that is not open may be read once, if another layout is assigned right after: that
  overwrites the dangling pointer. `Speakers.of` does so, and nothing else reads a source's layout.
- Frames copy their layout from the context, so they free what was assigned to it. A decoder that creates a custom
  layout itself, which is very rare, is detected by `is_owned`, and the layouts of its frames are never freed.

Besides, ``AudioFrame.planes`` counts pointers until it finds a null one. Planar audio with exactly eight channels has
none, so it reads out of bounds, and so do ``to_ndarray`` and ``from_ndarray``. Samples therefore enter and leave
interleaved, in one plane. Copying a stream from a template is safe: libav does it itself.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream

_ORDER = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
    "DL", "DR", "WL", "WR", "SDL", "SDR", "LFE2", "TSL", "TSR", "BFC", "BFL", "BFR", "SSL", "SSR", "TTL", "TTR",
)  # fmt: skip
"""Channels in libav's native order."""

_BESIDE = {"SL": "BL", "SR": "BR", "BL": "SL", "BR": "SR", "DL": "FL", "DR": "FR"}
"""Substitutes for speakers: side and back replace each other, and a stereo downmix plays on left and right."""

_HALF = 0.5**0.5
"""Gain that splits a channel between two speakers: half its power on each."""

_USUAL = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Layouts assumed where only the number of channels is known."""

_SURE = {1, 2, 5, 6, 7, 8}
"""Channel counts that imply the same layout everywhere; FLAC, AAC and libav disagree on 3 and 4."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """The channels of a source.

    Attributes:
        number: how many there are.
        names: libav's names, in the order of the samples; ``None`` if the source does not name them.
        called: libav's name of the layout.
    """

    number: int
    names: tuple[str, ...] | None = None
    called: str = ""

    @staticmethod
    def of(stream: AudioStream) -> "Speakers":
        """Read the layout of a stream before anything is decoded from it, and before anything else reads the layout.

        Replaces the stream's layout by a safe one with the same number of channels.
        """
        context = stream.codec_context
        layout = context.layout
        speakers = _read(layout)
        context.layout = _safe(speakers)
        return speakers

    @staticmethod
    def of_frame(frame: AudioFrame) -> "Speakers":
        """Read the layout of a decoded frame."""
        return _read(frame.layout)

    @property
    def usual(self) -> str | None:
        """Layout assumed for this number of channels, by libav's name; ``None`` if there is none."""
        return _USUAL.get(self.number)

    @property
    def is_placed(self) -> bool:
        """Whether each channel has a speaker of its own; those of Ambisonics and of unassigned tracks have none."""
        names = self.names or ()
        return bool(names) and all(name in _ORDER for name in names) and len(set(names)) == len(names)

    @property
    def is_ordered(self) -> bool:
        """Whether the channels are in libav's native order, which most containers assume, or are not named."""
        return self.names is None or _is_ordered(self.names)

    def means(self, other: "Speakers") -> bool:
        """Whether both have the same channels, side and back counting as the same.

        Unnamed channels match where their number alone implies the layout.
        """
        if self.number != other.number or other.names is None:
            return False
        if self.names is not None:
            return _around(self.names) == _around(other.names)
        return self.number in _SURE and _around(other.names) == _around(_names(_USUAL[self.number]))

    def named(self) -> "Speakers":
        """Return the channels with a speaker for each; unnamed ones get the usual layout.

        Raises:
            ValueError: the channels are Ambisonics, or no layout is usual for their number.
        """
        if self.is_placed:
            return self
        if self.usual is None or (self.names is not None and any(name.startswith("AMBI") for name in self.names)):
            raise ValueError
        return _read(AudioLayout(self.usual))


def places(speakers: Speakers, layout: str) -> dict[str, str] | None:
    """Map each speaker of a layout to its input in the syntax of ``pan``; ``None`` if mixing is needed."""
    assert speakers.names is not None
    theirs = _names(layout)
    if speakers.number == len(theirs) == 1:
        return {theirs[0]: "c0"}  # a track with the left channel alone is heard as mono
    found: dict[str, str] = {}
    for index, name in enumerate(speakers.names):
        for chosen in _stand_ins(name, speakers.names):
            if all(place in theirs and place not in found for place in chosen):
                share = "" if len(chosen) == 1 else f"{_HALF:.6f}*"
                found |= dict.fromkeys(chosen, f"{share}c{index}")
                break
        else:
            return None
    return found


def roomiest(speakers: Speakers, layouts: Sequence[str]) -> str:
    """Choose the smallest layout with a place for each channel, or else the one with places for most of them.

    The first of equals wins.
    """
    assert speakers.names is not None
    fitting = [layout for layout in layouts if places(speakers, layout) is not None]
    if fitting:
        return min(fitting, key=lambda layout: len(_names(layout)))
    ways = [(name, _BESIDE.get(name, name)) for name in speakers.names]

    def left(layout: str) -> tuple[int, int]:
        theirs = _names(layout)
        return sum(theirs.count(name) + theirs.count(beside) == 0 for name, beside in ways), len(theirs)

    return min(layouts, key=left)


def _stand_ins(name: str, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the sets of speakers that may play a channel, best first."""
    yield (name,)
    if name == "BC":
        yield ("BL", "BR")
    elif _BESIDE.get(name, name) not in names:
        yield (_BESIDE.get(name, name),)


def _around(names: Sequence[str]) -> tuple[str, ...]:
    """Rename side channels to back channels, except where a layout has both."""
    return tuple(name if _BESIDE.get(name, name) in names or name[0] != "S" else f"B{name[1:]}" for name in names)


def _names(layout: str) -> tuple[str, ...]:
    return tuple(channel.name for channel in AudioLayout(layout).channels)


def sorted_names(speakers: Speakers) -> tuple[str, ...]:
    """Return the channels in libav's native order, in which a layout owns no memory."""
    assert speakers.names is not None
    return tuple(sorted(speakers.names, key=_ORDER.index))


def is_owned(frame: AudioFrame) -> bool:
    """Whether PyAV would free the memory of a decoded frame's layout twice; if so, leak the layout to prevent it."""
    layout = frame.layout
    if "+" not in layout.name or _is_ordered([channel.name for channel in layout.channels]):
        return False
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return True


def spelled(speakers: Speakers) -> str:
    """Describe the channels in libav's syntax; channels in a custom order are given by their number alone."""
    if speakers.names is not None and _is_ordered(speakers.names):
        return "+".join(speakers.names)
    return f"{speakers.number} channels"


def _read(layout: AudioLayout) -> Speakers:
    names = tuple(channel.name for channel in layout.channels)
    known = None if not names or any(name in ("NONE", "UNK") for name in names) else names
    return Speakers(layout.nb_channels, known, layout.name)


def _safe(speakers: Speakers) -> str:
    if speakers.names is not None and speakers.names[0].startswith("AMBI"):
        return speakers.called if "(" not in speakers.called else f"{speakers.number} channels"
    return spelled(speakers) if speakers.number else "1 channels"


def _is_ordered(names: Sequence[str]) -> bool:
    """Whether these are speakers in libav's native order, which it stores as a bit mask."""
    if not all(name in _ORDER for name in names):
        return False
    return all(_ORDER.index(name) < _ORDER.index(after) for name, after in pairwise(names))
