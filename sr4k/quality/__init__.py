"""Compares results with their source, with one another and with the ground truth."""

from typing import Literal

CompareLayout = Literal["split", "side"]
"""``split``: one frame, its left half bicubic, its right half upscaled. ``side``: both in full, side by side."""
