"""Foreign networks: those that users bring, as ONNX, and what is known of them."""
