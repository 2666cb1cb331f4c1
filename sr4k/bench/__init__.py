"""Frame throughput, measured: the engine alone, the stages, whole pipelines, latency, and many at once."""

from enum import StrEnum

from sr4k.jobs.parse import Size


class Part(StrEnum):
    """What can be measured, in that order."""

    ENGINE = "engine"
    STAGES = "stages"
    PIPELINE = "pipeline"
    LATENCY = "latency"
    LANES = "lanes"
    STREAMS = "streams"


class InputSize(StrEnum):
    """What it can be measured at."""

    P540 = "540p"
    P720 = "720p"
    P1080 = "1080p"
    P1440 = "1440p"

    @property
    def pixels(self) -> Size:
        """Width and height of the input, 16:9."""
        height = int(self[:-1])
        return height * 16 // 9, height
