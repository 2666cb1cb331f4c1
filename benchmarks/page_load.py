"""Measure the page under load: 200 jobs in the queue, the status of 20 channels, and 10 pages open in Chromium.

    python benchmarks/page_load.py --seconds 20

The page is the process that ``sr4k serve`` starts; the queue is a real one, in which a job tells its progress every
second, and the channels' reports are made up. Answers are asked for one after the other while the pages are open; the
CPU time of the page's process is measured while they are open and nobody does anything, and without them.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
from playwright.sync_api import Browser, sync_playwright

from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.live.channel_reports import INTAKE, PLAYOUT, IntakeReport, PlayoutReport, TargetReport
from sr4k.live.steering import Steering
from sr4k.pipeline import WorkerStatus
from sr4k.pipeline.chain import StageClock
from sr4k.queue.job_queue import Queue
from sr4k.queue.queued_job import JobOptions, JobProgress, JobResult
from sr4k.queue.settings import Library
from sr4k.service.channel_desk import ChannelDesk
from sr4k.service.channel_history import ChannelHistory
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction
from sr4k.service.run_channels import Ends
from sr4k.web.access import Access
from sr4k.web.page_keeper import PageKeeper, listening_on
from sr4k.web.page_settings import PageSettings

JOBS, CHANNELS, PAGES = 200, 20, 10

ASKED = {
    "the page of the queue": "/queue",
    "the jobs that wait and run": "/api/v1/jobs?state=waiting&state=running&state=paused",
    "the queue as a whole": "/api/v1/queue",
    "twenty jobs that ended": "/api/v1/jobs?state=done&newest=true&limit=20",
    "totals": "/api/v1/totals",
    "all channels": "/api/v1/channels",
}

SHOWN = [
    "/queue",
    "/channels",
    "/history",
    "/library",
    "/queue",
    "/channels",
    "/settings",
    "/queue",
    "/channels",
    "/history",
]

_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


class Load:
    """A queue and channels that are as busy as they get."""

    def __init__(self, folder: Path) -> None:
        self.library, self.queue = Library([folder]), Queue(folder / "state" / "queue.sqlite")
        self.monitors = [ChannelMonitor(f"channel-{number:02}") for number in range(CHANNELS)]
        names = frozenset(monitor.status.name for monitor in self.monitors)
        ends, steering = Ends("rtmp://in.example/", ("rtmp://out.example/0", "rtmp://out.example/1")), Steering()
        self.runs: Any = SimpleNamespace(
            monitors=self.monitors,
            names=names,
            halted=frozenset(),
            ends=lambda _name: ends,
            steering=lambda _name: steering,
        )
        for number in range(JOBS):
            job = self.queue.add(folder / f"{number}.mp4", folder / f"{number} 4K.mp4", JobOptions(size="4k"))
            if number % 2:
                self.queue.begin(job.id)
                self.queue.finish(job.id, _result(job.target))
        self._job = self.queue.add(folder / "film.mp4", folder / "film 4K.mp4")
        self.queue.begin(self._job.id)
        self._ending = threading.Event()
        self._frames = 0

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Report every second, as a job and channels do."""
        with ExitStack() as stack:
            for monitor in self.monitors:
                stack.enter_context(monitor.running())
            thread = threading.Thread(target=self._report, daemon=True)
            thread.start()
            yield
            self._ending.set()
            thread.join()

    def _report(self) -> None:
        while not self._ending.wait(1.0):
            self._frames += 25
            for monitor in self.monitors:
                monitor.update(_statuses(self._frames))
            progress = JobProgress(
                frames=self._frames, frames_total=90_000, share=self._frames / 90_000, fps=25.0, eta=60
            )
            self.queue.tell_progress(self._job.id, progress)


def _result(output: str) -> JobResult:
    return JobResult(
        output=output,
        frames=90_000,
        seconds=3600,
        width=3840,
        height=2160,
        codec="libx264",
        container="mp4",
        damaged=False,
        source_bytes=10**9,
        result_bytes=3 * 10**9,
    )


def _statuses(frames: int) -> dict[str, WorkerStatus]:
    intake = IntakeReport(source="rtmp://in.example/", state="live", frames=frames, fps=25.0)
    targets = tuple(TargetReport(target=f"rtmp://out.example/{n}", state="live", bytes=frames) for n in range(2))
    playout = PlayoutReport(frames=frames, targets=targets)
    usual = {"running": 1.0, "waited_in": 0.0, "waited_out": 0.0, "cpu": 1.0, "depth": 0}
    return {
        name: WorkerStatus(worker=name, stages=(StageClock(kind, frames=frames),), reports={kind: report}, **usual)  # type: ignore[arg-type]
        for name, kind, report in (("upscale", INTAKE, intake), ("playout", PLAYOUT, playout))
    }


def answer_times(address: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median, the 95th percentile and the maximum of the times of answers, in ms."""
    found = {}
    with httpx.Client(base_url=address, timeout=60) as client:
        for name, path in ASKED.items():
            times = []
            for _ in range(rounds):
                began = time.perf_counter()
                answer = client.get(path)
                assert answer.is_success, answer.text
                times.append(1000 * (time.perf_counter() - began))
            times.sort()
            found[name] = {
                "median": round(statistics.median(times), 1),
                "p95": round(times[int(0.95 * (rounds - 1))], 1),
                "max": round(times[-1], 1),
            }
    return found


def cpu_share(process: psutil.Process, seconds: float) -> float:
    """Return the share of one CPU that a process uses."""
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)


def _opened(browser: Browser, address: str) -> None:
    """Open the pages, each for a user of its own: browsers allow six connections to a host."""
    for path in SHOWN:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(address + path)
        page.wait_for_load_state("load")


def measured(seconds: float, rounds: int) -> dict[str, Any]:
    """Return all figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "scratch").mkdir()
        load = Load(folder)
        listening = stack.enter_context(listening_on("127.0.0.1:0"))
        history = stack.enter_context(ChannelHistory(load.monitors, lambda: load.runs.names, Redaction()))
        page = PageSettings(
            access=Access(),
            listening=listening,
            queue=load.queue.path,
            roots=load.library.roots,
            scratch=folder / "scratch",
            has_channels=True,
        )
        stack.enter_context(PageKeeper(page, ChannelDesk(load.runs, history, Redaction()), lambda: None))
        stack.enter_context(load.going_on())
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        httpx.get(address, timeout=60)
        (process,) = psutil.Process().children()
        alone = cpu_share(process, seconds)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
            _opened(browser, address)
            time.sleep(3)
            seen = cpu_share(process, seconds)
            times = answer_times(address, rounds)
            browser.close()
        memory = process.memory_info().rss
        return {"answers_ms": times, "cpu_without_pages": alone, "cpu_with_pages": seen, "memory": memory}


def as_markdown(found: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    rows = [
        f"| {name} | {each['median']} | {each['p95']} | {each['max']} |" for name, each in found["answers_ms"].items()
    ]
    return f"""# The page under load

`{found["command"]}`

{JOBS} jobs in the queue, half of them done, and one that runs; {CHANNELS} channels; {PAGES} pages open in Chromium, on
the same machine: {os.cpu_count()} CPUs, with a load of {found["load"]:.1f} by other programs when it began.

| answer | median, ms | 95 % within, ms | longest, ms |
|---|---|---|---|
{chr(10).join(rows)}

CPU time of the page's process while nobody does anything: {100 * found["cpu_with_pages"]:.1f} % of one CPU with the
pages open, {100 * found["cpu_without_pages"]:.1f} % without. Its memory: {found["memory"] / 2**20:.0f} MiB.
"""


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="for which CPU time is measured")
    parser.add_argument("--rounds", type=int, default=50, help="of each request")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    command = f"python benchmarks/page_load.py --seconds {given.seconds:g} --rounds {given.rounds}"
    found = {"command": command, "machine": machine.describe(), "load": os.getloadavg()[0]}
    found |= measured(given.seconds, given.rounds)
    text = as_markdown(found)
    store(given.results, "page_load", found, text)
    print(text)


if __name__ == "__main__":
    main()
