"""What a video is, and how libav reads and writes it: no graph, no network."""
