"""The boxes of the video graph: decode, preprocess, infer, reconstruct, convert, encode."""
