"""Jobs: one upscaled file, several of them, or one live channel."""
