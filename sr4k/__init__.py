"""sr4k-stream: a real-time 1080p to 4K video upscaler."""
