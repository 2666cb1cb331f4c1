"""Prototype that computes the luma part of the network `luma` in one kernel launch on an NVIDIA GPU."""
