"""What tests and benchmarks of live streams are made with: real servers, a publisher, a viewer, faults."""
