"""Jobs of a queue whose segments the machines of a cluster make, and what is told of these machines."""

from collections.abc import Iterable
from dataclasses import fields, replace

from sr4k.cluster.job import ClusterJob, Reached
from sr4k.cluster.machine_report import NodeWork
from sr4k.errors import OptionError
from sr4k.jobs.file_job import Job
from sr4k.jobs.setting_errors import errors_by_option
from sr4k.queue.queued_job import Machine


def for_cluster(job: Job, cluster: Reached | None) -> tuple[Job, str | None]:
    """Return a job for a cluster, or the job itself, and why this machine makes it alone although there is a cluster.

    Args:
        job: of the queue.
        cluster: ``None``: there is none.
    """
    if cluster is None:
        return job, None
    encode = job.preset.encode.model_copy(update={"work_seconds": None})  # segments of others are all of one length
    job = replace(job, preset=job.preset.model_copy(update={"encode": encode}))
    try:
        with errors_by_option():
            return ClusterJob(**{each.name: getattr(job, each.name) for each in fields(Job)}, cluster=cluster), None
    except OptionError as err:
        return job, str(err)


def machines_of(nodes: Iterable[NodeWork]) -> list[Machine]:
    """Return what is told of the machines of a cluster, those that have made most first."""
    told = [
        Machine(
            name=node.node,
            state=node.state,
            fps=round(node.fps, 3),
            segments=node.segments,
            running=node.running,
            frames=node.frames,
            share=round(node.share, 4),
        )
        for node in nodes
    ]
    return sorted(told, key=lambda machine: (-machine.frames, machine.name))
