"""Video data (pixel formats, colour, geometry, side data), and reading and writing it with libav."""
