"""Measures throughput and latency: of the engine alone, each stage, whole pipelines, and several at once."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sr4k.jobs.parse import Size


class Part(StrEnum):
    """Measurements, in the order in which they run."""

    ENGINE = "engine"
    STAGES = "stages"
    PIPELINE = "pipeline"
    LATENCY = "latency"
    LANES = "lanes"
    STREAMS = "streams"


class InputSize(StrEnum):
    """Sizes of the input, 16:9, named by their height."""

    P540 = "540p"
    P720 = "720p"
    P1080 = "1080p"
    P1440 = "1440p"

    @property
    def pixels(self) -> "Size":
        """Width and height in pixels."""
        height = int(self[:-1])
        return height * 16 // 9, height
