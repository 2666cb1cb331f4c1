"""The graph runtime: producers and consumers joined by bounded channels, in processes or threads.

It knows frames, channels and workers, but no codec and no network.
"""

from sr4k.pipeline.frame import Format, Frame, FrameInfo, PlaneSpec
from sr4k.pipeline.stage import Buffers, Report, Sink, Source, Stage, StageSpec, Transform
from sr4k.pipeline.supervisor import GraphAborted, GraphError, GraphSpec, Outcome, StageFailed, WorkerDied, run_graph
from sr4k.pipeline.worker import WorkerSpec, WorkerStatus, report_of

__all__ = [
    "Buffers",
    "Format",
    "Frame",
    "FrameInfo",
    "GraphAborted",
    "GraphError",
    "GraphSpec",
    "Outcome",
    "PlaneSpec",
    "Report",
    "Sink",
    "Source",
    "Stage",
    "StageFailed",
    "StageSpec",
    "Transform",
    "WorkerDied",
    "WorkerSpec",
    "WorkerStatus",
    "report_of",
    "run_graph",
]
