"""A prototype: the luma half of the network `luma` in one launch on an NVIDIA GPU, beside the layered kernels."""
