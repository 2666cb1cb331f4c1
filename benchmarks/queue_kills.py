"""Kill `sr4k serve` with SIGKILL in each state of a job, again and again, and count what is lost or done twice.

    python benchmarks/queue_kills.py --rounds 5

One job lives through all states: while it waits, while its forecast is made, while it is upscaled, while its result is
compared with the source, and while the result takes the source's place. At each, the service is killed and started
again. Its other processes end with it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from urllib.request import Request, urlopen

import av
import numpy as np

from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.media.resume.job_folder import folder_of
from sr4k.media.resume.journal import Journal
from sr4k.queue.job_queue import Queue
from sr4k.queue.queued_job import JobOptions, QueuedJob

STATES = "waiting", "forecast", "upscale", "check", "replacing"

FRAMES = 240
"""Of a video of one frame a second, whose segments are a minute long."""

_SERVE = Path(sys.executable).with_name("sr4k")
_PATIENCE = 240.0


@dataclass
class Life:
    """What one job lived through.

    Attributes:
        killed: state of the job, as its queue has it, at each kill.
        again: number of finished segments that were made again.
        lost: frames that the result lacks.
        wrong: what was not as it has to be, in words.
    """

    killed: list[str] = field(default_factory=list)
    again: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)


class _Service:
    """The service on a folder: started, and killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.queue = Queue(folder / "state" / "queue.sqlite")
        self.port = 0

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        where = ["--listen", "127.0.0.1:0", "--library", self._folder / "videos", "--state", self._folder / "state"]
        process = subprocess.Popen([_SERVE, "serve", *where], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        reading = threading.Thread(target=process.stderr.read, daemon=True)
        with process.stderr:
            try:
                for line in process.stderr:
                    if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                        self.port = int(found[1])
                        break
                reading.start()
                yield process
            finally:
                process.kill()
                process.wait()
                reading.join()

    def killed_when(self, true: Callable[[], bool]) -> None:
        """Start the service, and kill it as soon as something is true."""
        with self.running():
            _until(true)


def live(folder: Path) -> Life:
    """Let a job live through all states, and return what became of it."""
    (folder / "videos").mkdir(parents=True)
    service, life = _Service(folder), Life()
    queue, source = service.queue, _clip(folder / "videos" / "a.mp4")
    original = source.read_bytes()
    job = queue.add(source, source.with_name("a 4K.mkv"), JobOptions(engine="openvino"))
    parts = Journal(folder_of(Path(job.target)))

    def now() -> QueuedJob:
        return queue.get(job.id)

    def is_in(phase: str) -> bool:
        return now().state != "running" or now().progress.phase == phase

    def note() -> None:
        told = now()
        life.killed.append(told.progress.phase if told.state == "running" else told.state)

    queue.pause_all(True)
    service.killed_when(lambda: True)
    note()
    queue.pause_all(False)
    service.killed_when(lambda: now().runs == 1 and is_in("forecast"))
    note()
    service.killed_when(lambda: len(parts.segments()) >= 2 or now().state == "done")
    note()
    finished = {name: _made(parts.folder / name) for name in (segment.name for segment in parts.segments())}
    life.again += len({path.name for path in parts.folder.glob("*.packets")} - finished.keys())
    changed: set[str] = set()

    def compares() -> bool:
        changed.update(name for name, made in finished.items() if _made(parts.folder / name) not in (made, None))
        return now().runs == 3 and is_in("check")

    service.killed_when(compares)
    note()
    life.again += len(changed)
    with service.running():
        _until(lambda: now().state in ("done", "failed"))
        threading.Thread(target=_replace, args=(service.port, job.id), daemon=True).start()
        _until(lambda: now().decision != "undecided", tick=0.0)
    told = now()
    life.killed.append(told.decision)
    with service.running():
        _until(lambda: now().decision == "replaced" or now().state == "failed")
    _judge(life, now(), source, original)
    queue.close()
    return life


def _judge(life: Life, job: QueuedJob, source: Path, original: bytes) -> None:
    """Note what is wrong with the end of a job."""
    if job.state != "done" or job.result is None:
        life.wrong.append(f"the job is {job.state}: {job.error}")
        life.lost = FRAMES
        return
    with av.open(job.result.output) as container:
        life.lost = FRAMES - sum(1 for _ in container.decode(video=0))
    life.wrong += [check.says for check in job.result.checks if not check.ok]
    videos = source.parent
    if [path.read_bytes() for path in (videos / ".sr4k-bin").iterdir()] != [original]:
        life.wrong.append("the source is not in the bin")
    left = sorted(path.name for path in videos.iterdir())
    if left != [".sr4k-bin", "a.mkv"]:
        life.wrong.append(f"the folder holds {', '.join(left)}")


def _clip(path: Path) -> Path:
    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        video.width, video.height = 320, 180
        noise = np.random.default_rng(0).integers(0, 255, (180, 320, 3), np.uint8)
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, 1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
    return path


def _made(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _replace(port: int, number: int) -> None:
    body = Request(
        f"http://127.0.0.1:{port}/api/v1/jobs/{number}/decision",
        b'{"how": "replace"}',
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with suppress(OSError):  # the service is killed meanwhile
        urlopen(body, timeout=60).close()


def _until(true: Callable[[], bool], tick: float = 0.005) -> None:
    until = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > until:
            raise TimeoutError("the job came to no end")
        time.sleep(tick)


def as_markdown(lives: list[Life], command: str) -> str:
    """Return the results as a Markdown page."""
    rows = []
    for number, state in enumerate(STATES):
        caught = Counter(life.killed[number] for life in lives)
        rows.append(f"| {state} | {len(lives)} | {', '.join(f'{name}: {n}' for name, n in caught.items())} |")
    wrong, again = sum(len(life.wrong) for life in lives), [life.again for life in lives]
    lost, jobs = sum(life.lost for life in lives), sum(life.lost == FRAMES for life in lives)
    return f"""# Kills of the service

`{command}`

Each of {len(lives)} jobs of four segments lived through {len(STATES)} kills of `sr4k serve` with SIGKILL. What the job
was at is what its queue said afterwards.

| aimed at | kills | the job was at |
|---|---|---|
{chr(10).join(rows)}

Jobs lost: {jobs}. Frames lost: {lost} of {FRAMES * len(lives)}. Finished segments made again: {sum(again)}, at most
{max(again)} a job. Sources lost, results under no name, files left over, checks that failed: {wrong}.
"""


def main() -> None:
    """Kill, count and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="jobs, each of which is killed in all states")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    lives = []
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            lives.append(live(Path(folder) / "place"))
        print(number, lives[-1], file=sys.stderr)
    text = as_markdown(lives, f"python benchmarks/queue_kills.py --rounds {given.rounds}")
    store(
        given.results, "queue_kills", {"machine": machine.describe(), "lives": [asdict(life) for life in lives]}, text
    )
    print(text)


if __name__ == "__main__":
    main()
