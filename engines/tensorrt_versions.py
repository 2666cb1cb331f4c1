"""What differs between TensorRT 8.6, 10 and 11, by the names that a version knows: their numbers differ as well."""

from collections.abc import Mapping
from typing import Literal, SupportsInt

Exact = Literal["int8", "fp16", "fp32"]
"""A precision that `auto` has been settled to."""


def network_flags(known: Mapping[str, SupportsInt]) -> int:
    """For ``create_network``: 8.6 must be told that the batch is explicit, 10 that the graph's types are meant.

    Args:
        known: ``NetworkDefinitionCreationFlag.__members__``.
    """
    return sum(1 << int(known[name]) for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if name in known)


def is_typed(known: Mapping[str, SupportsInt]) -> bool:
    """Whether the types in the graph say what is computed how. If not, 8.6, flags allow it."""
    return "STRONGLY_TYPED" in known


def builder_flags(known: Mapping[str, SupportsInt], precision: Exact) -> tuple[str, ...]:
    """Names of the ``BuilderFlag``s to set for a graph of that precision.

    Args:
        known: ``NetworkDefinitionCreationFlag.__members__``.
    """
    if is_typed(known):
        return ()
    # What reads the picture is float32 in every graph, and is to stay it.
    return {"int8": ("INT8",), "fp16": ("FP16", "PREFER_PRECISION_CONSTRAINTS"), "fp32": ()}[precision]
