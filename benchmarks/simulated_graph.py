"""Simulate the graph of `sr4k.pipeline` with discrete events: decode, lanes, encode and the rings between them.

Lanes get frames round-robin and return them in the same order, a full ring blocks its producer, and all threads share
the cores. How work scales to many cores, and everything about GPUs, is assumed: `ASSUMED` states it in words.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Generator
from dataclasses import asdict, dataclass
from heapq import heappop, heappush
from itertools import count, cycle
from typing import Any

from extras import required

from sr4k import load_preset

simpy = required("simpy")

SLOTS = load_preset("file").graph.slots
DECODE_THREADS = 16
ENCODE_THREADS = 2160 // 40
PICTURES_OF_A_LANE = 2
INFER_SERIAL = 0.1
GPU_SECONDS = 0.73e-3
PCIE = 20e9
BYTES_IN, BYTES_OUT = 1920 * 1080 * 3 // 2, 3840 * 2160 * 3 // 2
NVENC_RATE = 120.0
NVENC_WAITING = 4
"""Frames that the encoder buffers."""

ASSUMED = f"""\
- Cores: as fast as those measured, shared equally by all runnable threads; memory bandwidth and NUMA are not modelled.
- Decode: cores + 1 frames at once, at most {DECODE_THREADS}. x264: 1.5 frames per core at once, at most
  {ENCODE_THREADS}, since each stays [40 rows](http://forum.doom9.org/showpost.php?p=1646307) behind the one before.
- Infer on CPUs: a lane has its share of the cores and computes {PICTURES_OF_A_LANE} frames at once;
  {INFER_SERIAL:.0%} of a frame's work is serial.
- GPUs: {1e3 * GPU_SECONDS:.2f} ms per frame, [from host memory to host memory on an H200](gpu_h200.md),
  {BYTES_IN / 1e6:.1f} MB in and {BYTES_OUT / 1e6:.1f} MB out at {PCIE / 1e9:.0f} GB/s.
- NVENC: {NVENC_RATE:.0f} frames of 4K per second, one engine per GPU and video, a quarter of what four engines are
  [published](https://arxiv.org/abs/2606.29179) to do with 8K. H100 and A100 lack NVENC.
"""

Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Work:
    """CPU seconds per frame; fields with ``own``: those in the worker's own thread, frame by frame."""

    decode: float
    decode_own: float
    preprocess: float
    infer: float
    reconstruct: float
    encode: float
    encode_own: float


@dataclass(frozen=True)
class Machine:
    """Hardware of a machine. ``nvenc``: whether its GPUs encode."""

    cores: int
    gpus: int = 0
    nvenc: bool = False


def simulate(work: Work, on: Machine, *, videos: int = 1, lanes: int = 1) -> dict[str, Any]:
    """Return the frames per second of all videos together once the graphs are full, the utilizations, and the limit."""
    env = simpy.Environment()
    site = Site(env, on)
    for number in range(videos):
        Video(site, work, number, lanes, threads=max(1, on.cores // videos // lanes))
    full = videos * (lanes * (2 * SLOTS + PICTURES_OF_A_LANE + 1) + DECODE_THREADS + ENCODE_THREADS)
    frames = max(300, 3 * full)
    env.run(until=site.written_by(full))
    began, before = env.now, site.busy_seconds()
    env.run(until=site.written_by(full + frames))
    seconds, after = env.now - began, site.busy_seconds()
    use = {name: (after[name] - before.get(name, 0)) / seconds / site.number_of[name] for name in after}
    # Threads on saturated cores seem busy themselves: cores are checked first.
    limit = "cores" if use["cores"] > 0.95 else max(use, key=lambda name: use[name])
    limit = limit if use[limit] > 0.9 else "waiting"
    return {**asdict(on), "videos": videos, "lanes": lanes, "fps": frames / seconds, "limit": limit, "use": use}


class Cores:
    """CPU cores that all threads share equally, as a fair scheduler does on average."""

    def __init__(self, env: simpy.Environment, number: int) -> None:
        self._env, self._number = env, number
        self._used = 0.0
        self._served = 0.0  # core seconds of a thread that runs from the beginning
        self._since = 0.0
        self._threads = 0
        self._jobs: list[tuple[float, int, int, simpy.Event]] = []
        self._tickets = count()
        self._alarm: simpy.Event | None = None

    def run(self, seconds: float, threads: int = 1) -> simpy.Event:
        """Return an event that occurs when each of the threads has had ``seconds`` of a core."""
        self._advance()
        done = self._env.event()
        heappush(self._jobs, (self._served + seconds, next(self._tickets), threads, done))
        self._threads += threads
        self._set_alarm()
        return done

    def used(self) -> float:
        """Return the core seconds used until now."""
        self._advance()
        return self._used

    def _advance(self) -> None:
        passed, self._since = self._env.now - self._since, self._env.now
        self._served += passed * self._speed
        self._used += passed * min(self._threads, self._number)

    @property
    def _speed(self) -> float:
        return min(1.0, self._number / max(1, self._threads))

    def _set_alarm(self) -> None:
        """Schedule the end of the job that ends next; an earlier alarm is void."""
        if self._jobs:
            self._alarm = self._env.timeout(max(0.0, self._jobs[0][0] - self._served) / self._speed)
            self._alarm.callbacks.append(self._end_jobs)

    def _end_jobs(self, alarm: simpy.Event) -> None:
        if alarm is not self._alarm:
            return
        self._advance()
        while self._jobs and self._jobs[0][0] <= self._served + 1e-9:
            _, _, threads, done = heappop(self._jobs)
            self._threads -= threads
            done.succeed()
        self._set_alarm()


class Site:
    """The hardware that all videos share, with its busy times."""

    def __init__(self, env: simpy.Environment, on: Machine) -> None:
        self.env, self.on = env, on
        self.cores = Cores(env, on.cores)
        names = ("GPU", "PCIe in", "PCIe out", "NVENC")
        self.gpus = [{name: simpy.Resource(env) for name in names} for _ in range(on.gpus)]
        self.number_of = Counter({"cores": on.cores, **dict.fromkeys(names, on.gpus)})  # `Counter.update` adds
        self._busy = defaultdict[str, float](float)
        self._written = 0
        self._awaited = (0, env.event())

    def compute(self, name: str, seconds: float, threads: int = 1) -> Process:
        """Compute on the cores; the busy time is booked under a name."""
        began = self.env.now
        yield self.cores.run(seconds, threads)
        self._book(name, began)

    def occupy(self, gpu: int, name: str, seconds: float) -> Process:
        """Occupy one part of a GPU exclusively."""
        with self.gpus[gpu][name].request() as turn:
            yield turn
            began = self.env.now
            yield self.env.timeout(seconds)
            self._book(name, began)

    def busy_seconds(self) -> dict[str, float]:
        """Return the busy seconds until now by name, summed over all of a kind."""
        return {**self._busy, "cores": self.cores.used()}

    def write(self) -> None:
        """Count one more encoded frame."""
        self._written += 1
        if self._written == self._awaited[0]:
            self._awaited[1].succeed()

    def written_by(self, frames: int) -> simpy.Event:
        """Return an event that occurs when ``frames`` frames are encoded."""
        self._awaited = (frames, self.env.event())
        return self._awaited[1]

    def _book(self, name: str, began: float) -> None:
        self._busy[name] += self.env.now - began


class Ring:
    """A channel of `sr4k.pipeline`: free slots, and frames in transit."""

    def __init__(self, env: simpy.Environment) -> None:
        self.slots = simpy.Container(env, SLOTS, SLOTS)
        self.frames = simpy.Store(env)


class Video:
    """A graph with an endless source."""

    def __init__(self, site: Site, work: Work, number: int, lanes: int, threads: int) -> None:
        self._site, self._env, self._work = site, site.env, work
        self._number, self._threads = number, threads
        self._pictures = min(PICTURES_OF_A_LANE, threads)
        self._decoding = min(site.on.cores + 1, DECODE_THREADS)
        self._encoding = NVENC_WAITING if site.on.nvenc else min(site.on.cores * 3 // 2, ENCODE_THREADS)
        self._rings = [(Ring(self._env), Ring(self._env)) for _ in range(lanes)]
        counts = {"decode": 1, "decode threads": self._decoding, "lane": lanes, "engine": lanes * self._pictures}
        site.number_of.update(counts | {"encode": 1, "encode threads": self._encoding})
        self._env.process(self._decode())
        for lane, (inlet, outlet) in enumerate(self._rings):
            self._env.process(self._upscale(number + lane, inlet, outlet))
        self._env.process(self._encode())

    def _decode(self) -> Process:
        pictures = deque[simpy.Event]()
        for inlet, _ in cycle(self._rings):
            while len(pictures) < self._decoding:
                pictures.append(self._env.process(self._site.compute("decode threads", self._work.decode)))
            yield pictures.popleft()
            yield inlet.slots.get(1)
            yield from self._site.compute("decode", self._work.decode_own)
            inlet.frames.put(None)

    def _upscale(self, lane: int, inlet: Ring, outlet: Ring) -> Process:
        engine = simpy.Resource(self._env, self._pictures)
        pending = deque[simpy.Event]()
        while True:
            yield inlet.frames.get()
            yield from self._site.compute("lane", self._work.preprocess)
            infer = self._infer_on_gpu(lane % self._site.on.gpus) if self._site.gpus else self._infer(engine)
            pending.append(self._env.process(infer))
            if len(pending) > self._pictures:  # one result is read while the others are computed
                yield pending.popleft()
                inlet.slots.put(1)
                yield outlet.slots.get(1)
                yield from self._site.compute("lane", self._work.reconstruct)
                outlet.frames.put(None)

    def _infer(self, engine: simpy.Resource) -> Process:
        threads = max(1, self._threads // self._pictures)
        with engine.request() as turn:
            yield turn
            yield from self._site.compute("engine", self._work.infer * INFER_SERIAL)
            yield from self._site.compute("engine", self._work.infer * (1 - INFER_SERIAL) / threads, threads)

    def _infer_on_gpu(self, gpu: int) -> Process:
        yield from self._site.occupy(gpu, "PCIe in", BYTES_IN / PCIE)
        yield from self._site.occupy(gpu, "GPU", GPU_SECONDS)
        yield from self._site.occupy(gpu, "PCIe out", BYTES_OUT / PCIE)

    def _encode(self) -> Process:
        pictures = deque[simpy.Event]()
        for _, outlet in cycle(self._rings):
            yield outlet.frames.get()
            if len(pictures) == self._encoding:
                yield pictures.popleft()
            yield from self._site.compute("encode", self._work.encode_own)
            outlet.slots.put(1)
            pictures.append(self._env.process(self._encode_picture()))

    def _encode_picture(self) -> Process:
        if self._site.on.nvenc:
            gpu = self._number % self._site.on.gpus
            yield from self._site.occupy(gpu, "PCIe in", BYTES_OUT / PCIE)
            yield from self._site.occupy(gpu, "NVENC", 1 / NVENC_RATE)
        else:
            yield from self._site.compute("encode threads", self._work.encode)
        self._site.write()
