"""Helpers that every folder may use. They import nothing of this project but `sr4k.errors`."""
