"""Upscale with the program one would write first: decode a frame, run the published RCAN2 on RGB, encode it, repeat.

It uses PyAV, the published graph in ONNX Runtime in fp32 on all cores, and libx264. Baseline of `end_to_end.py`.

    python benchmarks/straightforward.py IN OUT [CRF PRESET]
"""

import json
import sys
import time

import av
import numpy as np
from extras import required
from published_graph import PublishedGraph

from sr4k.engines.cpu import granted_cpus
from sr4k.models import zoo

ort = required("onnxruntime")

MODEL = "rcan2"


def main(source: str, target: str, crf: str = "18", preset: str = "ultrafast") -> dict[str, object]:
    """Upscale ``source`` to ``target``; return the number of frames, and the seconds in total and by step."""
    spent = dict.fromkeys(("decode", "to RGB", "infer", "to picture", "encode"), 0.0)
    began = time.perf_counter()
    frames = 0
    with av.open(source) as reader, av.open(target, "w") as writer:
        video = reader.streams.video[0]
        video.thread_type = "AUTO"
        options = ort.SessionOptions()
        options.intra_op_num_threads = granted_cpus()
        graph = PublishedGraph(zoo.load(MODEL)).export(video.height, video.width)
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        out = writer.add_stream("libx264", rate=video.average_rate, options={"crf": crf, "preset": preset})
        out.width, out.height, out.pix_fmt = 2 * video.width, 2 * video.height, "yuv420p"
        out.codec_context.time_base = video.time_base
        pictures = reader.decode(video)
        while True:
            marks = [time.perf_counter()]
            picture = next(pictures, None)
            if picture is None:
                break
            marks.append(time.perf_counter())
            rgb = picture.to_ndarray(format="rgb24").transpose(2, 0, 1)[None].astype(np.float32)
            marks.append(time.perf_counter())
            (result,) = session.run(None, {"rgb": rgb})
            marks.append(time.perf_counter())
            array = np.clip(np.rint(result[0]), 0, 255).astype(np.uint8).transpose(1, 2, 0)
            upscaled = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            upscaled.pts, upscaled.time_base = picture.pts, picture.time_base
            marks.append(time.perf_counter())
            writer.mux(out.encode(upscaled))
            marks.append(time.perf_counter())
            for step, start, end in zip(spent, marks, marks[1:], strict=False):
                spent[step] += end - start
            frames += 1
        writer.mux(out.encode(None))
    return {"frames": frames, "seconds": time.perf_counter() - began, "stages": spent}


if __name__ == "__main__":
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    print(json.dumps(main(*sys.argv[1:])))
