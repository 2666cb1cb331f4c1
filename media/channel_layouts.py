"""Which channel of sound is which, and how to ask PyAV without harm.

PyAV 18 hands out a stream's layout, and that of each decoded frame, as a plain copy of libav's structure. Where the
order of the channels is not libav's own (a "custom" one, as QuickTime's files often have), that structure owns memory,
which is then freed by both: the process dies, or worse, goes on. What is safe, and all that is done here:

- A codec context that is not open may be asked once, if it is given another layout right after: setting one writes over
  the pointer that has just been freed. `Speakers.of` does so, and nothing else asks a source for its layout.
- Frames take their layout from the context, so what it was given is what they free; a decoder that makes a custom one
  by itself, which is all but unheard of, is found by `is_owned`, and its frames are never let go of.

Besides, ``AudioFrame.planes`` counts pointers until one is null. Of planar sound in exactly eight channels there is
none: it reads what lies behind, and so do ``to_ndarray`` and ``from_ndarray``. Samples go in and out interleaved, which
is one plane. Copying a stream from a template is safe: libav does it itself.
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
"""Channels in libav's own order."""

_BESIDE = {"SL": "BL", "SR": "BR", "BL": "SL", "BR": "SR", "DL": "FL", "DR": "FR"}
"""Speakers that stand in for others: behind the listener for beside him, and back; a stereo mix is left and right."""

_HALF = 0.5**0.5
"""Of a channel's amplitude on each of two speakers: half its power."""

_USUAL = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Where nothing is told but the number of channels."""

_SURE = {1, 2, 5, 6, 7, 8}
"""Numbers that mean the same to all; three and four do not to FLAC, to AAC and to libav."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """The channels of a source. ``names``: libav's, in the order that they come in; ``None`` if they are not told."""

    number: int
    names: tuple[str, ...] | None = None
    called: str = ""

    @staticmethod
    def of(stream: AudioStream) -> "Speakers":
        """Ask a stream that nothing has been decoded of yet. To be called before anything else that may.

        The stream then has a layout of as many channels that is safe.
        """
        context = stream.codec_context
        layout = context.layout
        told = _read(layout)
        context.layout = _safe(told)
        return told

    @staticmethod
    def of_frame(frame: AudioFrame) -> "Speakers":
        """Those of a decoded frame."""
        return _read(frame.layout)

    @property
    def usual(self) -> str | None:
        """The layout that is meant by so many channels, if there is one."""
        return _USUAL.get(self.number)

    @property
    def is_placed(self) -> bool:
        """Whether each channel has a place of its own, as those of Ambisonics or of loose tracks have not."""
        names = self.names or ()
        return bool(names) and all(name in _ORDER for name in names) and len(set(names)) == len(names)

    @property
    def is_ordered(self) -> bool:
        """Whether they come in libav's own order, which most containers take for granted, or in none that is told."""
        return self.names is None or _is_ordered(self.names)

    def means(self, other: "Speakers") -> bool:
        """Whether these are the other's, beside the listener being as good as behind; or not told and beyond doubt."""
        if self.number != other.number or other.names is None:
            return False
        if self.names is not None:
            return _around(self.names) == _around(other.names)
        return self.number in _SURE and _around(other.names) == _around(_names(_USUAL[self.number]))

    def named(self) -> "Speakers":
        """The same with places for the channels: what is not told is taken for the usual.

        Raises:
            ValueError: what the channels are for is told, and it is no place; or nothing is usual.
        """
        if self.is_placed:
            return self
        if self.usual is None or (self.names is not None and any(name.startswith("AMBI") for name in self.names)):
            raise ValueError
        return _read(AudioLayout(self.usual))


def places(speakers: Speakers, layout: str) -> dict[str, str] | None:
    """What each speaker of a layout gets, as libavfilter's ``pan`` has it; ``None`` if some would have to be mixed."""
    assert speakers.names is not None
    theirs = _names(layout)
    if speakers.number == len(theirs) == 1:
        return {theirs[0]: "c0"}  # a track of the left channel alone is mono to whoever hears it alone
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
    """Of these layouts the smallest that has a place for each channel, the first of equals; else for most of them."""
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
    """Where a channel may be played, best first."""
    yield (name,)
    if name == "BC":
        yield ("BL", "BR")
    elif _BESIDE.get(name, name) not in names:
        yield (_BESIDE.get(name, name),)


def _around(names: Sequence[str]) -> tuple[str, ...]:
    """Those beside the listener as those behind him, where there are not both."""
    return tuple(name if _BESIDE.get(name, name) in names or name[0] != "S" else f"B{name[1:]}" for name in names)


def _names(layout: str) -> tuple[str, ...]:
    return tuple(channel.name for channel in AudioLayout(layout).channels)


def sorted_names(speakers: Speakers) -> tuple[str, ...]:
    """The channels in libav's own order, in which a layout of them owns no memory."""
    assert speakers.names is not None
    return tuple(sorted(speakers.names, key=_ORDER.index))


def is_owned(frame: AudioFrame) -> bool:
    """Whether PyAV would free the memory of a decoded frame's layout twice. If so, it never does."""
    layout = frame.layout
    if "+" not in layout.name or _is_ordered([channel.name for channel in layout.channels]):
        return False
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return True


def spelled(speakers: Speakers) -> str:
    """In libav's words, of channels as they come: those of a custom order have a number alone."""
    if speakers.names is not None and _is_ordered(speakers.names):
        return "+".join(speakers.names)
    return f"{speakers.number} channels"


def _read(layout: AudioLayout) -> Speakers:
    names = tuple(channel.name for channel in layout.channels)
    told = None if not names or any(name in ("NONE", "UNK") for name in names) else names
    return Speakers(layout.nb_channels, told, layout.name)


def _safe(told: Speakers) -> str:
    if told.names is not None and told.names[0].startswith("AMBI"):
        return told.called if "(" not in told.called else f"{told.number} channels"
    return spelled(told) if told.number else "1 channels"


def _is_ordered(names: Sequence[str]) -> bool:
    """Whether they are places in libav's own order, which it keeps as bits."""
    if not all(name in _ORDER for name in names):
        return False
    return all(_ORDER.index(name) < _ORDER.index(after) for name, after in pairwise(names))
