"""The one door to matplotlib, which only plots need."""

import atexit
import logging
import os
from tempfile import TemporaryDirectory
from typing import Any

from sr4k.errors import OptionError


def require_plotting() -> None:
    """Import matplotlib: for whoever plots at the end of long work.

    Its list of fonts goes to a folder that ends with this process, unless ``MPLCONFIGDIR`` names another: by itself it
    writes to the user's home.

    Raises:
        OptionError: matplotlib is not installed.
    """
    if "MPLCONFIGDIR" not in os.environ:
        folder = TemporaryDirectory(prefix="sr4k-plots-")
        atexit.register(folder.cleanup)
        os.environ["MPLCONFIGDIR"] = folder.name
        logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # that it made the list is no news
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise OptionError("Plots need matplotlib: pip install 'sr4k-stream[eval]'.") from err


def new_figure(width: float, height: float) -> Any:
    """An empty figure, sides in inches at 100 dots each.

    Raises:
        OptionError: matplotlib is not installed.
    """
    require_plotting()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
