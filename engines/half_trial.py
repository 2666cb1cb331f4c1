"""Whether a foreign network in float16 makes the picture that it makes in float32, before it is used by default.

The picture of a test frame is compared with that of OpenVINO on the CPU, as devices are
(`sr4k.engines.openvino_trial`); the verdict is kept in the cache folder.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace

from sr4k.common.whole_file import write_whole
from sr4k.engines import create_engine
from sr4k.engines.base import USUAL_DEVICE, EngineSpec, Plane
from sr4k.engines.cache_folder import cache_folder, read_kept
from sr4k.engines.openvino_trial import Verdict, difference, trial_frame
from sr4k.errors import OutputError


def half_trouble(key: str, spec: EngineSpec, run: Callable[[Sequence[Plane]], Plane]) -> str | None:
    """Return how the picture in float16 differs from the CPU's, ``None`` if it is within the tolerance.

    Args:
        key: of everything that the verdict depends on.
        spec: the network, and pictures of the size that ``run`` takes.
        run: returns the planes that the network in float16 makes of padded planes.

    Raises:
        EngineError: ``run`` or the CPU fails.
    """
    kept = cache_folder() / f"half-{key}.json"
    verdict = read_kept(kept, Verdict)
    if verdict is None:
        planes = trial_frame(spec)
        exact = replace(spec, precision="fp32", device=USUAL_DEVICE, prompt=True)
        with create_engine("openvino", exact) as cpu:
            trouble = difference(run(planes), cpu.infer(planes), 1 if spec.colour is None else spec.colour.unit)
        verdict = Verdict(device="float16", trouble=trouble, size=f"{spec.width}x{spec.height}")
        with suppress(OutputError):  # else it is tried again at the next start
            write_whole(kept, json.dumps(asdict(verdict), indent=2).encode())
    return verdict.trouble
