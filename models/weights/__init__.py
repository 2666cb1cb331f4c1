"""Trained weights: ``NAME.safetensors`` (float), ``NAME.int8.safetensors`` (int8 calibration), ``NAME.md`` (card)."""
