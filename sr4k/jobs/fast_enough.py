"""Choose the best network with which a job makes as many frames per second as are wanted."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import itemgetter

from sr4k.common.option_names import option
from sr4k.errors import OptionError, StoppedError
from sr4k.jobs.file_job import Job
from sr4k.jobs.forecast import forecast
from sr4k.jobs.parse import parse_rate
from sr4k.jobs.pipes import DASH, is_pipe
from sr4k.jobs.upscaling import lighter_than
from sr4k.media.image_names import is_picture
from sr4k.media.resume.job_folder import Parts

log = logging.getLogger(__name__)

_ROOM = 1.1
"""Factor by which a short sample has to be faster than wanted, as the rest of the video may be harder to upscale."""


def fast_enough(
    job: Job,
    target_fps: float | str,
    *,
    stop_requests: Callable[[], int] = lambda: 0,
    measure: Callable[[Job], float] = lambda job: forecast(job).fps,
) -> Job:
    """Return the job with the first network, from its own to ever smaller ones, that is fast enough on this machine.

    A few seconds of the video are upscaled with each. If none is fast enough it is the one that was fastest, and a
    warning is logged. A job that is resumed keeps the network that it was begun with.

    Args:
        job: a job from a video file to one.
        target_fps: frames per second that are wanted; text such as ``30000/1001`` is accepted.
        stop_requests: as for `Job.run`.
        measure: function that returns the frames per second of a job.

    Raises:
        OptionError: that isn't a frame rate; or the job is one of pictures or pipes, of which there is no sample.
        StoppedError: a stop was requested.
        Sr4kError: the job would fail.
    """
    wanted = float(parse_rate(str(target_fps)))
    if job.target == DASH or is_pipe(job.source) or is_picture(job.source) or is_picture(job.target):
        raise OptionError(f"Speed is measured on files of video: leave {option('target_fps')} out.")
    choices = list(_choices(job))
    if job.resume:
        parts = Parts(job.target)
        for choice in choices:
            if parts.was_begun_with(choice.facts()):
                return choice
    tried: list[tuple[float, Job]] = []
    for choice in choices:
        tried.append((measure(choice), choice))
        if stop_requests():
            raise StoppedError("Stopped before the first frame: nothing was written.")
        if tried[-1][0] >= _ROOM * wanted:
            break
    fps, best = max(tried, key=itemgetter(0))
    name, is_enough = best.preset.engine.model, fps >= _ROOM * wanted
    told = [f"{job.preset.engine.model} makes {rate:.1f} frames a second" for rate, job in tried]
    if is_enough and len(tried) > 1:
        slower = ", ".join(told[:-1])
        log.warning("%s, and %.1f are wanted: the network is %s, which makes %.1f.", slower, wanted, name, fps)
    elif not is_enough:
        none = f"no network is fast enough, and {name} is the fastest"
        none = none if len(tried) > 1 else "there is no smaller network of its kind"
        log.warning("%s, and %.1f are wanted: %s.", ", ".join(told), wanted, none)
    return best


def _choices(job: Job) -> Iterator[Job]:
    """Yield the job with its own network, and with ever smaller ones of the same kind."""
    model: str | None = job.preset.engine.model
    while model is not None:
        job = replace(job, model=model)
        yield job
        model = lighter_than(job.preset.engine)
