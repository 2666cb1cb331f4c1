"""Trained weights that ship with the package: ``NAME.safetensors``, ``NAME.json`` (int8 scales), ``NAME.md`` (card)."""
