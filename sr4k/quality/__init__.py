"""Compares results with their source, with one another and with the ground truth."""
