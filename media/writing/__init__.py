"""Writing: the encoder, the container, and everything else of the source beside the video."""
