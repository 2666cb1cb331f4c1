"""Quality of a network: test pictures, protocols and metrics."""
