"""Spreads the segments of a job over the machines of a Ray cluster; all else of the job stays where it is."""
