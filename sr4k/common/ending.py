"""The end of a process."""

import gc
import sys


def end_soon() -> None:
    """Keep Python from taking all modules apart at its end, which costs as much as importing half of them.

    Where Triton was imported they are: its library lists on stderr whatever is left of it.
    """
    if "triton" in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()
