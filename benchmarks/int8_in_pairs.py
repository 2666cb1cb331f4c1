"""What int8 gains over float on this CPU, and what weights cost that CPUs without dot products need.

    python benchmarks/int8_in_pairs.py [FOLDER ...] [--models luma luma-fast]

Such CPUs (AVX2 without VNNI or AMX) add products in pairs of 16 bits, so their weights are rounded for it
(`sr4k.models.int8_pairs`). Frames per second of the engine at 1080p in float32 and in int8, in turn, the median of the
rounds; on folders of test pictures the loss of PSNR-Y against the float network in exact integers, with either weights.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from engine_ends import in_turn, ready
from int8_steps import lost

from sr4k.bench import InputSize, machine
from sr4k.bench.report import store
from sr4k.engines import EngineSpec
from sr4k.engines.cpu import int8_of
from sr4k.engines.openvino_library import shared_core
from sr4k.engines.openvino_models import CPU, compiled, plan, streams_of
from sr4k.models import zoo
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour
from sr4k.models.execute import IntegerExecutor

HERE = Path(__file__).parent
NAME = "int8_in_pairs"
SIZE = InputSize.P1080
_WAYS = {
    "dot products": "It has int8 dot products, and runs the usual weights.",
    "pairs": "It adds int8 products in pairs, and runs weights for that.",
    None: "It runs float by default.",
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def main(arguments: list[str] | None = None) -> None:
    """Measure, store and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="test pictures, for the loss on photographs")
    parser.add_argument("--models", nargs="+", default=["luma", "luma-fast", "luma-large", "rcan2"])
    parser.add_argument("--size", type=InputSize, default=SIZE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    args = parser.parse_args(arguments)
    found = {
        "machine": machine.describe(),
        "int8": int8_of(),
        "command": " ".join([f"python benchmarks/{NAME}.py", *(folder.name for folder in args.folders)]),
        "size": str(args.size),
        "rates": {model: rates(model, args.size.pixels, args.rounds) for model in args.models},
        "losses": {model: losses(model, args.folders) for model in args.models} if args.folders else {},
    }
    store(args.results, NAME, found, as_markdown(found))
    print((args.results / f"{NAME}.md").read_text())


def rates(model: str, size: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Return the frames per second of the engine in each precision, round by round."""
    core, (width, height) = shared_core(), size
    requests: dict[str, list[Any]] = {}
    for precision in PRECISIONS:
        spec = EngineSpec(model=model, height=height, width=width, colour=Colour(), precision=precision)
        requests[precision] = ready(compiled(core, CPU, plan(core, CPU, spec)), streams_of(spec) + 1)
    return in_turn(model, requests, rounds)


def losses(name: str, folders: list[Path]) -> dict[str, dict[str, float]]:
    """Return the loss in dB by folder, with the usual weights and with those for pairs."""
    model = zoo.load(name)
    forms = {"usual": False, "in pairs": True}
    runs = {form: IntegerExecutor(model.quantized(None, in_pairs=flag)) for form, flag in forms.items()}
    return lost(model, runs, folders)


def as_markdown(found: dict[str, Any]) -> str:
    """Return the page."""
    lines = [
        "# int8 on this CPU",
        "",
        f"`{found['command']}`; {machine.in_words(found['machine'])}. {_WAYS[found['int8']]}",
        "",
        f"Frames per second of the engine at {found['size']}, the median of the rounds:",
        "",
        "| | float32 | int8 | ratio |",
        "|---|---|---|---|",
    ]
    for model, rows in found["rates"].items():
        slow, fast = (statistics.median(rows[precision]) for precision in PRECISIONS)
        ratios = [two / one for one, two in zip(*(rows[precision] for precision in PRECISIONS), strict=True)]
        lines.append(f"| `{model}` | {slow:.2f} | {fast:.2f} | **{np.median(ratios):.2f}** |")
    if found["losses"]:
        titles = list(next(iter(found["losses"].values()))["usual"])
        lines += [
            "",
            "Loss of PSNR-Y in dB against the float network, for RGB:",
            "",
            f"| | {' | '.join(f'{title}, {form}' for title in titles for form in ('usual weights', 'in pairs'))} |",
            "|---" * (2 * len(titles) + 1) + "|",
        ]
        for model, rows in found["losses"].items():
            cells = [f"{rows[form][title]:.3f}" for title in titles for form in ("usual", "in pairs")]
            lines.append(f"| `{model}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
