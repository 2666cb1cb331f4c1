"""Try the encoder and the slate of a live output before there are pictures for it."""

import io
from fractions import Fraction

import av

from sr4k.errors import OptionError
from sr4k.live.send.encoder_settings import encoder_settings
from sr4k.live.send.slate import load_slate
from sr4k.live.settings import PlayoutSettings
from sr4k.live.timeline import TIME_BASE
from sr4k.media.video import VideoInfo, untagged_info
from sr4k.media.writing.encoder import add_video, open_encoder

_ASSUMED = tuple(untagged_info(size, Fraction(30), TIME_BASE) for size in ((1280, 720), (640, 360)))
"""Pictures to assume while the source has not told its own: what is refused for both sizes is refused for all."""


def try_choices(settings: PlayoutSettings) -> None:
    """Try what somebody has chosen, and no more: the usual encoder in software opens everywhere.

    Raises:
        OptionError: the encoder can't be opened here, or not with its options, or the slate can't be read.
    """
    first, second = _ASSUMED
    if settings.encoder != "software" or settings.options:
        try:
            try_encoder(settings, first)
        except OptionError:  # options such as a level may be for smaller pictures
            try_encoder(settings, second)
    if settings.slate is not None:
        load_slate(settings.slate, first)


def try_encoder(settings: PlayoutSettings, info: VideoInfo) -> None:
    """Open the encoder for pictures like these.

    Raises:
        OptionError: it can't be opened.
    """
    with av.open(io.BytesIO(), "w", format="flv") as container:
        open_encoder(add_video(container, info, encoder_settings(settings, info)))
