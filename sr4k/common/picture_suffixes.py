"""Suffixes of picture files, in lower case."""

READABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of pictures that can be read."""

WRITABLE = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
"""Suffixes of pictures that can be written."""

DEEP = frozenset({".png", ".tif", ".tiff"})
"""Suffixes of those that can have 16 bits."""
