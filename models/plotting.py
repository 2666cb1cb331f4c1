"""The one door to matplotlib, which only plots need."""

from typing import Any

from sr4k.errors import OptionError


def new_figure(width: float, height: float) -> Any:
    """An empty figure, sides in inches at 100 dots each.

    Raises:
        OptionError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as err:
        raise OptionError("Plots need matplotlib: pip install 'sr4k-stream[eval]'.") from err
    return Figure(figsize=(width, height), layout="constrained")
