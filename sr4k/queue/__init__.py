"""Jobs that wait, run and are kept: a queue that survives its program, and whatever happens to it."""
