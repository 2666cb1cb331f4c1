"""Differences between TensorRT 8.6, 10 and 11, by names of flags, because their numbers differ as well."""

from collections.abc import Mapping
from typing import Literal, SupportsInt

Exact = Literal["int8", "fp16", "fp32"]
"""A precision other than ``auto``."""


def network_flags(known: Mapping[str, SupportsInt]) -> int:
    """Return the flags for ``create_network``: 8.6 needs an explicit batch, 10 the graph's types as binding.

    Args:
        known: ``NetworkDefinitionCreationFlag.__members__``.
    """
    return sum(1 << int(known[name]) for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if name in known)


def is_typed(known: Mapping[str, SupportsInt]) -> bool:
    """Whether the graph's types are binding. If not, as in 8.6, builder flags permit lower precisions."""
    return "STRONGLY_TYPED" in known


def builder_flags(known: Mapping[str, SupportsInt], precision: Exact) -> tuple[str, ...]:
    """Return the names of the ``BuilderFlag``s to set for a graph of that precision.

    Args:
        known: ``NetworkDefinitionCreationFlag.__members__``.
    """
    if is_typed(known):
        return ()
    # Convolutions of the input planes are float32 in every graph, and stay so.
    return {"int8": ("INT8",), "fp16": ("FP16", "PREFER_PRECISION_CONSTRAINTS"), "fp32": ()}[precision]
