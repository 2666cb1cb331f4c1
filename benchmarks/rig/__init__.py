"""Building blocks for tests and benchmarks of live streams: real servers, a publisher, a viewer, faults."""
