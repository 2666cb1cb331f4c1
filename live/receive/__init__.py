"""From a live source to pictures and sound in time."""
