"""Live channels that run for weeks: several in one process, watched and measured."""
