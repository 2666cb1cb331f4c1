"""From pictures and sound to the targets of a channel."""
