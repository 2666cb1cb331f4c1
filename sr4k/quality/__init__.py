"""Results compared: with their source, with one another, with the ground truth."""
