"""Streams in words."""

from av.stream import Stream


def describe(stream: Stream) -> str:
    """Return a stream's number, type, codec and language, for people."""
    context = stream.codec_context
    codec = context.codec.canonical_name if getattr(context, "is_encoder", False) else getattr(context, "name", None)
    language = f", {stream.language}" if stream.language not in (None, "und") else ""
    return f"stream {stream.index} ({stream.type}, {codec or 'unknown'}{language})"
