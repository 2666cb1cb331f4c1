"""Plot the history of a run. Needs matplotlib."""

import io
import json
from pathlib import Path

from sr4k.common.plotting import new_figure
from sr4k.common.whole_file import write_whole


def plot_history(histories: list[Path], target: Path) -> None:
    """Plot error and PSNR over the steps, the parts of the run one after the other, and write the plot as PNG.

    Raises:
        OptionError: matplotlib is missing.
        OutputError: ``target`` can't be written.
    """
    figure = new_figure(9, 4)
    error_axes, psnr_axes = figure.subplots(1, 2)
    first = 0
    for number, history in enumerate(histories):
        entries = [json.loads(line) for line in history.read_text().splitlines()]
        steps = [first + entry["step"] for entry in entries]
        error_axes.plot(steps, [entry["mae"] for entry in entries], color=f"C{number}", label=history.parent.name)
        for index, name in enumerate(entries[0]["psnr_y"]):
            scores = [entry["psnr_y"][name] for entry in entries]
            psnr_axes.plot(steps, scores, color=f"C{index}", linestyle="-" if number == 0 else "--")
            psnr_axes.annotate(f"{name} {scores[-1]:.2f}", (steps[-1], scores[-1]), ha="right", va="bottom")
        first = steps[-1]
    error_axes.set(title="mean absolute error, 8-bit levels", xlabel="step")
    error_axes.legend()
    psnr_axes.set(title="PSNR-Y, dB (dashed: int8)", xlabel="step")
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100, format="png")
    write_whole(target, picture.getvalue())
