"""Jobs and their queue: add, follow, order, pause, cancel, settle."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sr4k.jobs.file_job import Job
from sr4k.queue import settling
from sr4k.queue.errand import in_child
from sr4k.queue.job_queue import LARGEST
from sr4k.queue.keeper import version_of
from sr4k.queue.planning import FORECAST_SECONDS, forecast_of, jobs_for
from sr4k.queue.queued_job import Ending, JobOptions, QueuedJob, State, Switch, Whole
from sr4k.queue.settings import QueueSettings
from sr4k.web.api.problems import responses
from sr4k.web.first_look import readable
from sr4k.web.forecasts import Forecasts
from sr4k.web.web_service import WebService

Number = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the job.")]
_Priority = Annotated[Whole, Field(ge=-100, le=100)]
_AbsolutePath = Annotated[str, Field(min_length=1, max_length=4096)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewJobs(_Body):
    """Videos to upscale.

    Attributes:
        sources: absolute paths of videos and folders, in the libraries of the service.
        target: absolute path of the result, or of a folder, which ends with a slash; left out: beside each source, with
            `` 4K`` after its name.
        recursive: whether the subfolders of folders count as well.
        options: of all of them. ``priority``: of all of them; higher ones run first.
    """

    sources: Annotated[list[_AbsolutePath], Field(min_length=1, max_length=1000)]
    target: _AbsolutePath | None = None
    recursive: Switch = False
    options: JobOptions = JobOptions()
    priority: _Priority = 0

    def jobs(self, service: WebService) -> list[Job]:
        """Return the jobs that this asks for; see `sr4k.queue.planning.jobs_for`."""
        return jobs_for(
            service.library,
            self.sources,
            self.target,
            self.options,
            recursive=self.recursive,
            is_result=service.queue.makes,
            check_queued=service.queue.check_target,
        )


class Move(_Body):
    """A new place in the queue: one of both.

    Attributes:
        before: number of the job right before which it is to run; ``null``: last of its own priority.
        after: number of the job right after which it is to run.
    """

    before: Annotated[Whole, Field(ge=1, le=LARGEST)] | None = None
    after: Annotated[Whole, Field(ge=1, le=LARGEST)] | None = None

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if self.model_fields_set != {"before"} and (self.before is not None or self.after is None):
            raise ValueError("must have either before or after, with the number of a job")
        return self


class Change(_Body):
    """A new priority."""

    priority: _Priority


class Settle(_Body):
    """``keep`` both files; ``replace`` the source, which is moved into the bin; ``discard`` the result."""

    how: Ending


class QueueState(_Body):
    """The queue as a whole.

    Attributes:
        paused: whether it was paused.
        runs_now: whether it is a time at which jobs run.
        counts: number of jobs in each state.
        event: number of the latest event; give it to ``/events`` as ``after``.
    """

    paused: bool
    runs_now: bool
    counts: dict[State, int]
    event: int


def router(service: WebService, forecasts: Forecasts) -> APIRouter:
    """Return the routes of jobs and of their queue."""
    queue = service.queue
    made = APIRouter(prefix="/api/v1", tags=["jobs"], responses=responses(422))
    of_one = responses(404, 409, 422)

    @made.get("/jobs")
    def jobs(
        state: Annotated[list[State] | None, Query(description="States that are wanted; left out: all.")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        offset: Annotated[int, Query(ge=0, le=LARGEST, description="Jobs to leave out at the beginning.")] = 0,
        newest: Annotated[bool, Query(description="Those that ended last first.")] = False,
    ) -> list[QueuedJob]:
        """List jobs, in the order in which they run."""
        return queue.jobs(state or (), limit=limit, offset=offset, newest=newest)

    @made.post("/jobs", status_code=201, responses=responses(409))
    def add(new: NewJobs) -> list[QueuedJob]:
        """Add jobs to the end of the queue: all that are asked for, or none."""
        named = {service.inside(path) for path in new.sources}
        found = readable(
            service.errands, new.jobs(service), named, lambda job: forecasts.known(job, new.options) is not None
        )
        with queue.as_one():
            return [
                queue.add(
                    job.source,
                    job.target,
                    new.options,
                    priority=new.priority,
                    forecast=forecasts.known(job, new.options),
                )
                for job in found
            ]

    @made.get("/jobs/{number}", responses=of_one)
    def job(number: Number) -> QueuedJob:
        """Show a job."""
        return queue.get(number)

    @made.patch("/jobs/{number}", responses=of_one)
    def change(number: Number, change: Change) -> QueuedJob:
        """Change the priority of a job."""
        return queue.prioritise(number, change.priority)

    @made.delete("/jobs/{number}", status_code=204, response_class=Response, responses=of_one)
    def remove(number: Number) -> None:
        """Forget a job that does not run. Its source and its result stay; unfinished segments are deleted."""
        settling.forget(queue, number)

    @made.post("/jobs/{number}/{action}", responses=of_one)
    def act(number: Number, action: Literal["pause", "resume", "cancel", "retry"]) -> QueuedJob:
        """Pause a job, let it go on, cancel it, or try it again. Of a running job, what was asked last holds."""
        actions = {"pause": queue.pause, "resume": queue.resume, "cancel": queue.cancel, "retry": queue.retry}
        return actions[action](number)

    @made.put("/jobs/{number}/place", responses=of_one)
    def move(number: Number, move: Move) -> QueuedJob:
        """Move a job right before or after another one.

        It keeps its priority where that lies between those of the waiting jobs around its new place; otherwise it takes
        that of the other one.
        """
        queue.move(number, before=move.before, after=move.after)
        return queue.get(number)

    @made.put("/jobs/{number}/decision", responses=of_one)
    def settle(number: Number, settle: Settle) -> QueuedJob:
        """Decide what becomes of a result."""
        return settling.settle(queue, service.library, number, settle.how)

    @made.put("/jobs/{number}/forecast", responses={**of_one, **responses(503)})
    def foretell(number: Number) -> QueuedJob:
        """Upscale a few seconds of a job's source, and keep the forecast with it."""
        job = queue.get(number)
        for path in (job.source, job.target):
            service.inside(path)
        with service.errands.one():
            found = in_child(forecast_of, job.source, job.target, job.options, seconds=FORECAST_SECONDS)
        queue.foretell(number, found)
        return queue.get(number)

    @made.get("/queue")
    def state() -> QueueState:
        """Show the queue as a whole."""
        return _state(service)

    @made.post("/queue/{action}")
    def act_on_all(action: Literal["pause", "resume"]) -> QueueState:
        """Pause the whole queue, or let it go on."""
        queue.pause_all(action == "pause")
        return _state(service)

    @made.get("/settings")
    def settings(response: Response) -> QueueSettings:
        """Show the settings of the queue and its watch folders; their version is in ``ETag``."""
        now = service.settings.now
        response.headers["ETag"] = f'"{version_of(now)}"'
        return now

    @made.put("/settings", responses=responses(409))
    def change_settings(
        settings: QueueSettings,
        response: Response,
        if_match: Annotated[str | None, Header(description="Version that is to be replaced; left out: any.")] = None,
    ) -> QueueSettings:
        """Replace the settings of the queue and its watch folders."""
        version = None if if_match in (None, "*") else if_match.removeprefix("W/").strip('"')
        changed = service.settings.change(settings, version=version)
        response.headers["ETag"] = f'"{version_of(changed)}"'
        return changed

    return made


def _state(service: WebService) -> QueueState:
    return QueueState(
        paused=service.queue.is_paused,
        runs_now=service.settings.now.is_time(datetime.now()),
        counts=service.queue.counts(),
        event=service.queue.latest,
    )
