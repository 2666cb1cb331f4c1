"""Measure what commands take before they work: help, a wrong name, a look into a file, one frame; beside ffmpeg.

    python benchmarks/startup.py [--rounds 5] [--before VENV/bin] [--results benchmarks/results]

In each round every command runs once, after the same command of another installation if ``--before`` names the folder
of its programs. Compared are the time from the start to the end, and the CPU time of all processes together, which
other load of the machine affects less. A cold start is one after the files of the libraries were dropped from the page
cache, as far as no other process has mapped them.

A second table says where the CPU time of one frame goes: imports by package in each process, and the steps to the
first picture in the one with the network.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av

from sr4k.bench import machine
from sr4k.bench.report import store
from sr4k.engines.base import EngineSpec
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.engines.openvino_models import CPU, plan
from sr4k.media.sample_pattern import draw
from sr4k.models.colour import Colour
from sr4k.sample import write_sample

HERE = Path(__file__).parent
HEAD = 20_000
"""Bytes of the result that hold more than headers."""

LIBRARIES = "av", "cv2", "numpy", "onnx", "openvino", "pydantic", "pydantic_core", "rich", "typer", "yaml"

COMMANDS = {
    "sr4k-stream --help": "sr4k-stream --help",
    "sr4k --help": "sr4k --help",
    "a wrong name": "sr4k-stream none.mp4 out.mkv",
    "probe": "sr4k probe one.mkv",
    "doctor": "sr4k doctor",
    "one frame": "sr4k-stream one.mkv out.mkv --overwrite",
    "one frame, cold": "sr4k-stream one.mkv out.mkv --overwrite",
    "first frame of many, to a pipe": "sr4k-stream many.mkv -",
}
FFMPEG = {
    "ffmpeg -version": "ffmpeg -version",
    "ffmpeg -h": "ffmpeg -h",
    "ffmpeg, one frame": "ffmpeg -y -i one.mkv -vf scale=iw*2:ih*2:flags=lanczos -c:v libx264 -preset superfast o.mkv",
}
COLD, PIPE = ", cold", "to a pipe"

SHARED = "sr4k.pipeline.fork_server", "sr4k.stages.decode", "sr4k.stages.encode"

PROCESSES = {
    "command": ("sr4k.cli.stream", "sr4k.cli.files"),
    "workers": SHARED,
    "upscale": (
        *SHARED,
        "sr4k.stages.preprocess",
        "sr4k.stages.infer",
        "sr4k.stages.reconstruct",
        "sr4k.stages.convert",
        "sr4k.engines.openvino",
    ),
}
"""What the processes of a job import; the workers for decoding and encoding have all from the one that forks them."""

Row = dict[str, dict[str, float]]


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="folder with the programs of another installation")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    sides = {"before": args.before.absolute()} if args.before else {}
    result = measure({**sides, "now": Path(sys.executable).parent}, args.rounds)
    text = as_markdown(result)
    store(args.results, "startup", result, text)
    print(text)


def measure(sides: dict[str, Path], rounds: int) -> dict[str, Any]:
    """Run everything, each round all commands of all sides in turn."""
    runs: dict[str, list[Row]] = {name: [] for name in (*COMMANDS, *(FFMPEG if shutil.which("ffmpeg") else {}))}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, frames in (("one", 1), ("many", 25)):
            draw_clip(folder / f"{name}.mkv", frames)
        for number in range(rounds):
            for name in runs:
                runs[name].append(dict(one_round(name, sides, folder)))
            print(f"round {number + 1} of {rounds}: {runs['one frame'][-1]}", file=sys.stderr, flush=True)
        modules = {
            name: {side: float(modules_of(command, home, folder)) for side, home in sides.items()}
            for name, command in COMMANDS.items()
            if not name.endswith((COLD, PIPE))
        }
    return {
        "machine": machine.describe(),
        "load": os.getloadavg()[1],
        "runs": runs,
        "modules": modules,
        "imports": {
            side: {name: told(home, IMPORTS, *names) for name, names in PROCESSES.items()}
            for side, home in sides.items()
        },
        "steps": [told(sides["now"], f"import sys; sys.path.insert(0, {str(HERE)!r}); {STEPS}") for _ in range(3)],
    }


def draw_clip(target: Path, frames: int) -> None:
    """Write a clip of moving patterns in 1080p."""
    write_sample(target, seconds=frames / 25, size=(1920, 1080))


def one_round(name: str, sides: dict[str, Path], folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the figures of each side; ffmpeg has one."""
    if name in FFMPEG:
        yield "now", timed(FFMPEG[name].split(), folder)
        return
    for side, home in sides.items():
        program, *arguments = COMMANDS[name].split()
        if name.endswith(COLD):
            drop_libraries(home)
        yield side, timed([str(home / program), *arguments], folder, only_head=name.endswith(PIPE))


def timed(command: list[str], folder: Path, *, only_head: bool = False) -> dict[str, float]:
    """Return the seconds that a command took, of wall clock and of all CPUs; ``only_head``: to its first frame."""
    began, cpu = time.perf_counter(), _cpu_of_children()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        if only_head:
            head = process.stdout.read(HEAD)
            return {"wall": time.perf_counter() - began} if len(head) == HEAD else {}  # an earlier version has no pipes
        process.stdout.read()
        process.wait()
        wall = time.perf_counter() - began
    return {"wall": wall, "cpu": _cpu_of_children() - cpu}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def drop_libraries(home: Path) -> None:
    """Drop the files of the libraries and of Python from the page cache."""
    roots = [Path(spec.origin).parent for name in LIBRARIES if (spec := find_spec(name)) and spec.origin]
    roots += [Path(os.__file__).parent / "encodings", home]
    for path in (path for root in roots for path in root.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def modules_of(command: str, home: Path, folder: Path) -> int:
    """Return how many modules a command and its processes import, together."""
    program, *arguments = command.split()
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    ran = subprocess.run(
        [home / program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ran.stderr.count("import time:") - ran.stderr.count("import time: self [us]")


def told(home: Path, code: str, *arguments: str) -> dict[str, float]:
    """Run code in a Python of its own, and return the JSON that it prints."""
    ran = subprocess.run(
        [home / "python", "-P", "-c", code, *arguments], capture_output=True, text=True, check=True, cwd="/"
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


IMPORTS = """
import collections, importlib, importlib._bootstrap as loader, json, sys, time
spent, inner, real = collections.Counter(), [0.0], loader._find_and_load_unlocked
def timed(name, load):
    began = time.process_time()
    inner.append(0.0)
    try:
        return real(name, load)
    finally:
        took = time.process_time() - began
        spent[name.split(".")[0]] += 1e3 * (took - inner.pop())
        inner[-1] += took
loader._find_and_load_unlocked = timed
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as err:  # an earlier version may have it elsewhere
        if not err.name.startswith("sr4k"):
            raise
print(json.dumps(spent))
"""
"""Prints the CPU milliseconds that imports take, by package."""

STEPS = "from startup import steps; import json; print(json.dumps(steps()))"


def steps() -> dict[str, float]:
    """Return the CPU milliseconds of each step from nothing to the first picture; run it in a fresh process."""
    found: dict[str, float] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        done = work()
        found[name] = 1e3 * (time.process_time() - began)
        return done

    spec = EngineSpec(model="luma", height=1080, width=1920, colour=Colour())
    core = shared_core()
    step("OpenVINO's plug-in for the CPU", lambda: core.get_property(CPU, "FULL_DEVICE_NAME"))
    made = step("network folded, quantised and written as ONNX", lambda: plan(core, CPU, spec))
    read = step("ONNX read", lambda: core.read_model(made.graph))
    compiled = step("compiled", lambda: core.compile_model(read, CPU, dict(made.config)))
    blob = step("exported, as for a cache", compiled.export_model)
    step("imported, as from a cache", lambda: core.import_model(blob, CPU, dict(made.config)))
    request = compiled.create_infer_request()
    for number, port in enumerate(compiled.inputs):
        request.set_input_tensor(number, ov.Tensor(port.element_type, port.shape))
    step("first picture inferred", request.infer)
    step("second picture inferred", request.infer)
    drawn = av.VideoFrame.from_ndarray(draw(0, (3840, 2160)), "rgb24").reformat(format="yuv420p")
    packets = step("first 4K picture encoded", lambda: _encoded(drawn))
    assert packets
    return found


def _encoded(picture: av.VideoFrame) -> list[Any]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 3840, 2160, "yuv420p"
    encoder.framerate, encoder.options = 25, {"preset": "superfast", "crf": "18"}
    return [*encoder.encode(picture), *encoder.encode(None)]


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    has_before = "before" in result["imports"]
    about = machine.in_words(result["machine"])
    lines = [
        "# The first second",
        "",
        f"`python benchmarks/startup.py`; {about}; medians{', before and now in turn' if has_before else ''}; "
        f"1080p to 4K. Load average of the machine: {result['load']:.0f}. CPU seconds are those of all processes.",
        "",
    ]
    columns = ["wall s", "CPU s", "modules"]
    if has_before:
        columns = [*(f"{each} {when}" for each in columns for when in ("before", "now")), "CPU, now / before"]
    lines += [f"| | runs | {' | '.join(columns)} |", f"|---|---{'|---' * len(columns)}|"]
    for name, rows in result["runs"].items():
        cells = [cell(rows, side, clock) for clock in ("wall", "cpu") for side in result["imports"]]
        cells += [f"{count:.0f}" if (count := counted(result, name, side)) else "" for side in result["imports"]]
        lines.append(f"| {' | '.join([name, str(len(rows)), *cells, *([ratio(rows)] if has_before else [])])} |")
    lines += ["", "CPU milliseconds of imports in one frame's processes, packages of more than 4 ms:", ""]
    for side, processes in result["imports"].items():
        for name, spent in processes.items():
            largest = sorted(spent.items(), key=lambda pair: -pair[1])
            told = ", ".join(f"{package} {took:.0f}" for package, took in largest if took > 4)
            lines.append(f"- {name}, {side}: **{sum(spent.values()):.0f}** ({told})")
    lines += ["", "CPU milliseconds of the steps to the first picture (`luma` in 1080p):", ""]
    for step in result["steps"][0]:
        lines.append(f"- {step}: {statistics.median(row[step] for row in result['steps']):.0f}")
    return "\n".join(lines) + "\n"


def cell(rows: list[Row], side: str, clock: str) -> str:
    """Return a median in seconds; empty where it wasn't measured."""
    found = [row[side][clock] for row in rows if clock in row.get(side, {})]
    return f"{statistics.median(found):.2f}" if found else ""


def counted(result: dict[str, Any], name: str, side: str) -> float | None:
    """Return how many modules were imported, if that was counted."""
    found: float | None = result["modules"].get(name, {}).get(side)
    return found


def ratio(rows: list[Row]) -> str:
    """Return the median ratio of CPU time, now to before, of runs in one round."""
    found = [row["now"]["cpu"] / row["before"]["cpu"] for row in rows if "cpu" in row.get("before", {})]
    return f"**{statistics.median(found):.2f}**" if found else ""


if __name__ == "__main__":
    main()
