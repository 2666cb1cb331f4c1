"""Quality of a network: test pictures, protocols and metrics."""

from typing import Literal

Protocol = Literal["usual", "card"]
"""``usual``, the protocol of papers: PSNR and SSIM of BT.601 luma, and PSNR of its chroma, without a border as wide as
the scale.

``card``, the protocol of the SR4K model card: low resolution is resized to 1920x1080 and high resolution to 3840x2160
by bilinear interpolation; PSNR over all RGB samples, SSIM as the mean over the three colours.
"""
