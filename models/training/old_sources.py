"""Damage clips as old sources are damaged: played from video tape, encoded by old codecs, resized, encoded again.

A VHS tape keeps about 240 lines of horizontal detail; its player sharpens them, to one side more than to the other, and
adds noise, lines that don't start at the same place, and dropouts. DVDs are MPEG-2, the files of later years MPEG-4
Part 2 (DivX, Xvid), neither with a filter against blocks; camcorders wrote DV, which is much like JPEG. Archives have
often been encoded by H.264 since, at the same size or another.
"""

from dataclasses import dataclass, replace
from math import exp, log

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.models.training.codec import Decoded, Encoding, through_codec
from sr4k.models.training.frames import luma_of, with_luma
from sr4k.models.training.recipe import OldClips

_SHARES = {"mpeg2": 0.4, "mpeg4": 0.4, "jpeg": 0.08, "h264": 0.12}
_JPEG = (50, 92)
"""Range of JPEG's quality."""

_OTHER_SIZE = (0.7, 1.15)
"""Range of the size that a clip was encoded at, as a factor on its present size."""

_SHARPENED = (0.0, 1.2)
"""Range of the strength of a player's sharpening."""

_REACH = (0.8, 2.0)
"""Range of the standard deviation of what is subtracted for it, in pixels."""

_JITTER = 0.4
"""Largest standard deviation of the starts of lines, in pixels; half of the tapes have less than a quarter of it."""

_DROPOUTS = 6.0
"""Largest mean number of dropouts in a frame of a million pixels; half of the tapes have less than a quarter of it."""

_DROPOUT_LENGTH = (4, 40)
_DROPOUT_LEVEL = (-40.0, 90.0)

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tape:
    """What a tape and its player do to luma.

    Attributes:
        blur: standard deviation of the horizontal blur, in pixels.
        sharpened: strength of the sharpening that follows.
        reach: standard deviation of the Gaussian that it subtracts, in pixels.
        offset: how far to the right that Gaussian lies, in pixels: halos are stronger at one side.
        hiss: standard deviation of the noise, 8-bit levels.
        coarse: standard deviation of the horizontal blur of that noise, in pixels.
        jitter: standard deviation of the starts of lines, in pixels.
        dropouts: mean number of dropouts in a frame of a million pixels.
    """

    blur: float = 0.6
    sharpened: float = 0.4
    reach: float = 1.2
    offset: float = 0.5
    hiss: float = 3.0
    coarse: float = 0.7
    jitter: float = 0.1
    dropouts: float = 1.0


def as_old_source(
    frames: list[av.VideoFrame], settings: OldClips, rng: np.random.Generator
) -> tuple[Encoding, list[Decoded]]:
    """Damage frames; return the encoding by the old codec, and what is seen at last, of the same size."""
    width, height = frames[0].width, frames[0].height
    shown = frames
    if is_resized := bool(rng.random() < settings.resized):
        factor = rng.uniform(*_OTHER_SIZE)
        shown = [_resized(frame, _even(factor * width), _even(factor * height)) for frame in frames]
    if rng.random() < settings.tape:
        tape = drawn_tape(settings, rng)
        shown = [with_luma(frame, played(luma_of(frame), tape, rng)) for frame in shown]
    encoding = _drawn_encoding(settings, rng)
    decoded = through_codec(shown, encoding)
    result = [with_luma(frame, each.luma) for frame, each in zip(shown, decoded, strict=True)]
    if is_resized:
        result = [_resized(frame, width, height) for frame in result]
    planes = [luma_of(frame) for frame in result]
    if encoding.codec != "h264" and rng.random() < settings.again:
        crf = int(rng.integers(settings.crf[0], settings.crf[1] + 1))
        planes = [each.luma for each in through_codec(result, Encoding("h264", crf, "veryfast"))]
    return encoding, [replace(each, luma=plane) for each, plane in zip(decoded, planes, strict=True)]


def drawn_tape(settings: OldClips, rng: np.random.Generator) -> Tape:
    """Draw a tape and its player."""
    reach = rng.uniform(*_REACH)
    return Tape(
        blur=rng.uniform(*settings.blur),
        sharpened=rng.uniform(*_SHARPENED),
        reach=reach,
        offset=rng.uniform(-0.3, 1.0) * reach,
        hiss=rng.uniform(*settings.hiss),
        coarse=rng.uniform(0.3, 1.2),
        jitter=_JITTER * rng.random() ** 2,
        dropouts=_DROPOUTS * rng.random() ** 2,
    )


def played(luma: NDArray[np.uint8], tape: Tape, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a frame's luma, uint8 (H, W), as it is played from a tape."""
    signal = _across(_unsteady(luma.astype(np.float32), tape.jitter, rng), _gaussian(tape.blur))
    noise = _across(rng.normal(0, 1, luma.shape).astype(np.float32), _gaussian(tape.coarse))
    signal += noise * (tape.hiss / max(float(noise.std()), 1e-3))
    blurred = _across(signal, _gaussian(tape.reach, tape.offset))
    signal += tape.sharpened * (signal - blurred)
    _drop_out(signal, tape.dropouts, rng)
    return np.clip(np.rint(signal), 0, 255).astype(np.uint8)


def _drawn_encoding(settings: OldClips, rng: np.random.Generator) -> Encoding:
    codec = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    if codec == "jpeg":
        return Encoding(codec, int(rng.integers(_JPEG[0], _JPEG[1] + 1)))
    if codec == "h264":
        return Encoding(codec, int(rng.integers(settings.crf[0], settings.crf[1] + 1)), "veryfast")
    finest, coarsest = settings.quantiser
    quantiser = round(exp(rng.uniform(log(finest), log(coarsest))))
    return Encoding(codec, quantiser, live=bool(rng.random() < 0.5))


def _unsteady(plane: Plane, jitter: float, rng: np.random.Generator) -> Plane:
    """Shift each line by its own fraction of a pixel: half of the shift is shared with its neighbours."""
    own = rng.normal(0, 1, (len(plane), 1)).astype(np.float32)
    shared = cv2.GaussianBlur(rng.normal(0, 1, (len(plane), 1)).astype(np.float32), (1, 0), 4.0)
    shift = jitter * (own + shared / max(float(shared.std()), 1e-3)) / 2
    rows, columns = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in plane.shape), indexing="ij")
    moved = cv2.remap(plane, columns + shift, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _drop_out(signal: Plane, rate: float, rng: np.random.Generator) -> None:
    """Replace parts of some lines by a level of its own, in place."""
    height, width = signal.shape
    for _ in range(rng.poisson(rate * signal.size / 1e6)):
        row, left, length = rng.integers(height), rng.integers(width), rng.integers(*_DROPOUT_LENGTH)
        signal[row, left : left + length] += rng.uniform(*_DROPOUT_LEVEL)


def _across(plane: Plane, kernel: Plane) -> Plane:
    """Filter the lines of a plane."""
    return np.asarray(cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def _gaussian(deviation: float, offset: float = 0.0) -> Plane:
    """Return a horizontal kernel (1, n) whose centre of gravity lies to the right by ``offset`` pixels."""
    reach = int(np.ceil(3 * deviation + abs(offset)))
    weights = np.exp(-(((np.arange(-reach, reach + 1) - offset) / deviation) ** 2) / 2)
    return np.asarray(weights[None] / weights.sum(), np.float32)


def _resized(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    return frame.reformat(width, height, interpolation=Interpolation.BICUBIC)


def _even(side: float) -> int:
    return 2 * round(side / 2)
