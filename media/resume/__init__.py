"""Resuming: what of a job is done, kept in a folder beside its target."""
