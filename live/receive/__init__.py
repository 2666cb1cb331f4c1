"""Receiving a live source: frames and sound on one clock, in time or not at all."""
