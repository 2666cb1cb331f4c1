"""The driver: a process of its own that plans the segments, and has the cluster make them.

Ray ends the process that is its driver, without an exception, when the cluster's head is gone for a minute. So that
process is not the command's, which goes on from what the pool and the journal hold.
"""

import os
import secrets
import sys
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import BinaryIO

from sr4k.cluster.messages import Ended, Made, Planned, Request
from sr4k.cluster.networks import lent
from sr4k.cluster.node import fingerprint_of_code
from sr4k.cluster.tasks import Work, key_of
from sr4k.common.option_names import name_for
from sr4k.errors import InternalError, Sr4kError
from sr4k.media.reading.naming_others import are_refused
from sr4k.media.reading.reader import VideoReader
from sr4k.media.reading.stretches import Stretch, stretches
from sr4k.media.resume.bucket_pool import pool_at
from sr4k.media.resume.job_folder import fingerprint
from sr4k.media.writing.encoder_threads import seen_cpus
from sr4k.media.writing.write_errors import writing
from sr4k.pipeline.spawning import received

TOKEN = "token."
"""Beginning of the name of the file by which machines find out whether they see the pool."""


def run(name: str, pipe: BinaryIO) -> None:
    """Do what is asked; the main function of a process. ``name``: descriptors of the connection and of the log."""
    descriptor, log = map(int, name.split())
    connection = Connection(descriptor)
    request: Request = received(pipe)
    os.dup2(log, 1)
    os.dup2(log, 2)  # what Ray says is not for the user
    os.environ.update(request.environment | {"RAY_USAGE_STATS_ENABLED": "0"})
    name_for(request.reader)
    try:
        _drive(request, connection)
        error: Exception | None = None
    except Sr4kError as err:
        error = err
    except Exception as err:
        error = InternalError(f"the driver of the cluster failed: {str(err) or type(err).__name__}")
        sys.excepthook(*sys.exc_info())
    connection.send(Ended(error=error))


def _drive(request: Request, connection: Connection) -> None:
    work, planned, found = _planned(request)
    pool = pool_at(work.pool)
    there = pool.keys()
    missing = [
        (key, stretch)
        for key, stretch in zip(planned.keys, found, strict=True)
        if key not in there or pool.found(key) is None
    ]
    left = {key for key, _ in missing}
    connection.send(planned)
    for key in planned.keys:
        if key not in left:
            connection.send(Made(key=key))
    if not missing:
        return
    os.chdir(request.empty)  # Ray has the machines search the driver's folder for modules
    from sr4k.cluster.remote import connected  # Ray, which reads the environment
    from sr4k.cluster.spreading import Spreading

    with writing(work.pool):
        pool.leave(*work.token)
        work = replace(work, networks=lent(work.job.preset.engine, pool))
    try:
        with connected(request):
            Spreading(request, work, missing, connection).run()
    finally:
        with suppress(OSError):  # as where its server is away, of which there is an error already
            pool.take_away(work.token[0])


def _planned(request: Request) -> tuple[Work, Planned, tuple[Stretch, ...]]:
    job = request.job
    with VideoReader(job.reading) as reader:
        source = reader.report()
    found = stretches(job.reading, Fraction(job.preset.encode.segment_seconds), request.done)
    encodes_as, code = seen_cpus(), fingerprint_of_code()
    keys = tuple(key_of(request.facts, stretch, encodes_as, code) for stretch in found)
    work = Work(
        job=replace(job, source=job.source.absolute(), target=job.target.absolute()),
        pool=request.pool,
        path_map=request.settings.path_map,
        encodes_as=encodes_as,
        token=(f"{TOKEN}{secrets.token_hex(4)}", secrets.token_hex(16)),
        source=fingerprint(job.source),
        reader=request.reader,
        refuses_files_that_name_others=are_refused(),
    )
    frames, ends = (tuple(getattr(stretch, name) for stretch in found) for name in ("frames", "end"))
    return work, Planned(keys=keys, frames=frames, ends=ends, source=source), found
