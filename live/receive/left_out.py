"""What of a live source is not sent on."""

from sr4k.live.receive.open_source import Opening
from sr4k.media.stream_words import describe


def left_out(opening: Opening) -> str:
    """Describe the tracks that are not read, in one line; empty if there are none.

    A playlist's other qualities, which hold the same, do not count.
    """
    others = [stream for stream in opening.container.streams if stream not in opening.wanted]
    if opening.fetcher is not None:
        heard = None if opening.audio is None else opening.audio.language
        others = [
            stream
            for stream in others
            if stream.type != "video" and not (stream.type == "audio" and stream.language == heard)
        ]
    return ", ".join(map(describe, others))
