"""Imports matplotlib, which only plots need; all other modules import it from here."""

import atexit
import logging
import os
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sr4k.common.whole_file import write_whole
from sr4k.errors import OptionError


def require_plotting() -> None:
    """Import matplotlib, so that work that ends in a plot fails at its start if matplotlib is missing.

    Matplotlib would cache its list of fonts in the user's home. Unless ``MPLCONFIGDIR`` is set, the list goes to a
    temporary folder that is deleted when this process ends.

    Raises:
        OptionError: matplotlib is not installed.
    """
    if "MPLCONFIGDIR" not in os.environ:
        folder = TemporaryDirectory(prefix="sr4k-plots-")
        atexit.register(folder.cleanup)
        os.environ["MPLCONFIGDIR"] = folder.name
        logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # not the note that it built the list
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as err:
        raise OptionError("Plots need matplotlib: pip install 'sr4k-stream[eval]'.") from err


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of this size in inches, at 100 dots per inch.

    Raises:
        OptionError: matplotlib is not installed.
    """
    require_plotting()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(figure: Any, target: Path) -> None:
    """Write a figure as a picture file of the kind that its suffix names. The file is whole, or what it was before.

    Raises:
        OutputError: the file can't be written.
    """
    picture = BytesIO()
    figure.savefig(picture, dpi=100, format=target.suffix.lower().removeprefix("."))
    write_whole(target, picture.getvalue())
