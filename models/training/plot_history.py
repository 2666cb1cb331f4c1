"""Plot the history of a run. Needs matplotlib."""

from pathlib import Path

from sr4k.common.plotting import new_figure, write_figure
from sr4k.models.training.history import read_history


def plot_history(histories: list[Path], target: Path) -> None:
    """Plot error and PSNR over the steps, the parts of the run one after the other, and write the plot as PNG.

    What a history has lost is left out.

    Raises:
        OptionError: matplotlib is missing.
        OutputError: ``target`` can't be written.
    """
    figure = new_figure(9, 4)
    error_axes, psnr_axes = figure.subplots(1, 2)
    first = 0
    for number, history in enumerate(histories):
        entries, _ = read_history(history)
        if not entries:
            continue
        steps = [first + entry["step"] for entry in entries]
        error_axes.plot(steps, [entry["mae"] for entry in entries], color=f"C{number}", label=history.parent.name)
        names = dict.fromkeys(name for entry in entries for name in entry["psnr_y"])
        for index, name in enumerate(names):  # a run may be continued with other test pictures
            measured = [(first + entry["step"], entry["psnr_y"][name]) for entry in entries if name in entry["psnr_y"]]
            psnr_axes.plot(*zip(*measured, strict=True), color=f"C{index}", linestyle="--" if number else "-")
            at, score = measured[-1]
            psnr_axes.annotate(f"{name} {score:.2f}", (at, score), ha="right", va="bottom")
        first = steps[-1]
    error_axes.set(title="mean absolute error, 8-bit levels", xlabel="step")
    if error_axes.lines:
        error_axes.legend()
    psnr_axes.set(title="PSNR-Y, dB (dashed: int8)", xlabel="step")
    write_figure(figure, target)
