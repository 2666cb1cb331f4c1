"""Resuming jobs: finished segments and a journal, kept in a folder beside the target."""
