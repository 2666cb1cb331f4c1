"""Suffixes of files that hold one picture, in small letters."""

READABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Those of pictures that are read."""

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp"})
"""Those of pictures that are written."""
