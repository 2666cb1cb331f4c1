"""Jobs that are started, awaited and cancelled: toy jobs, which show what all of them do."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from sr4k.errors import StoppedError
from sr4k.jobs.running import Startable

PATIENCE = 60.0


@dataclass(frozen=True)
class Toy(Startable[int, str]):
    """Counts until it is asked to stop; its end takes a moment, unless it is to be at once."""

    fails: bool = False

    def run(
        self, *, on_progress: Callable[[int], None] | None = None, stop_requests: Callable[[], int] = lambda: 0
    ) -> str:
        with self.cancellable(stop_requests) as stop:
            for number in range(100_000):
                if self.fails:
                    raise ValueError("the toy broke")
                if on_progress is not None:
                    on_progress(number)
                if stop():
                    break
                time.sleep(0.01)
            time.sleep(0.05)
            if stop() > 1:
                raise StoppedError("Stopped at once.")
            return f"stopped at {number}"

    def _before(self) -> int:
        return -1


def test_a_started_job_tells_how_far_it_is_and_ends_when_it_is_cancelled() -> None:
    seen: list[int] = []
    job = Toy().start(on_progress=seen.append)
    with pytest.raises(TimeoutError):
        job.result(timeout=0.03)
    while not job.progress > 0:
        time.sleep(0.01)
    assert not job.done
    job.cancel()
    assert job.result(PATIENCE) == f"stopped at {job.progress}"
    assert job.done
    assert seen == [*range(job.progress + 1)]


def test_a_job_may_be_cancelled_from_its_own_callback() -> None:
    job = Toy()
    assert job.run(on_progress=lambda number: job.cancel() if number == 2 else None) == "stopped at 2"
    assert job.run(on_progress=lambda number: job.cancel() if number == 1 else None) == "stopped at 1", "it starts anew"


def test_cancelling_a_job_ends_all_that_it_has_started_and_no_equal_one() -> None:
    job, other = Toy(), Toy().start()
    several = [job.start() for _ in range(2)]
    job.cancel(at_once=True)
    for each in several:
        with pytest.raises(StoppedError):
            each.result(PATIENCE)
    assert not other.done
    other.cancel()
    other.result(PATIENCE)


def test_whatever_ends_a_job_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ValueError, match="the toy broke"):
        Toy(fails=True).start().result(PATIENCE)
    with pytest.raises(ValueError, match="the toy broke"):
        asyncio.run(_awaited(Toy(fails=True)))

    def object_to(number: int) -> None:
        raise LookupError(number)

    with pytest.raises(LookupError):
        Toy().start(on_progress=object_to).result(PATIENCE)


async def _awaited(job: Any) -> Any:
    return await job


def test_waiting_is_interrupted_by_ctrl_c_and_so_is_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Toy().start()

    def interrupted(_seconds: float | None) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job._end, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            job.result()
    assert job.result(PATIENCE).startswith("stopped at")


def test_jobs_are_awaited_beside_each_other() -> None:
    async def both() -> list[str]:
        jobs = [Toy(), Toy(fails=False)]
        running = [job.start() for job in jobs]
        asyncio.get_running_loop().call_later(0.05, lambda: [job.cancel() for job in jobs])
        return [await each for each in running]

    assert all(end.startswith("stopped at") for end in asyncio.run(both()))


def test_cancelling_a_task_cancels_the_job_and_waits_for_its_end() -> None:
    started = []

    async def cancelled(times: int) -> None:
        started.append(Toy().start())
        task = asyncio.ensure_future(_awaited(started[-1]))
        for _ in range(times):
            await asyncio.sleep(0.03)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert started[-1].done

    asyncio.run(cancelled(1))
    assert started[-1].result().startswith("stopped at")
    asyncio.run(cancelled(2))
    with pytest.raises(StoppedError):
        started[-1].result()


def test_a_time_limit_on_a_job_is_one() -> None:
    async def limited() -> None:
        async with asyncio.timeout(0.05):
            await Toy()

    with pytest.raises(TimeoutError):
        asyncio.run(limited())
    for thread in [thread for thread in threading.enumerate() if thread.name == "sr4k-job"]:
        thread.join(PATIENCE)  # it has only to end, as the job has
        assert not thread.is_alive()


def test_a_job_runs_in_the_context_of_the_one_who_starts_it() -> None:
    request = contextvars.ContextVar("request", default="none")
    request.set("mine")
    seen = []
    job = Toy().start(on_progress=lambda _: seen.append(request.get()))
    job.cancel()
    job.result(PATIENCE)
    assert {*seen} == {"mine"}
