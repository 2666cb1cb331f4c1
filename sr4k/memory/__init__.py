"""Frames in memory: the stages between decoder and encoder, for programs that have pictures rather than files."""
