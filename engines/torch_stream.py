"""What kernels that PyTorch doesn't launch need to know of a GPU. For the CPU, where tests emulate them, all is 0."""

import torch


def capability_of(device: torch.device) -> tuple[int, int]:
    """Return the compute capability."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0)


def stream_of(device: torch.device) -> int:
    """Return the handle of the current stream."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
