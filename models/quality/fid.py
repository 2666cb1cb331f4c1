"""Frechet inception distance, by torch-fidelity (extra ``[fid]``) and Inception weights that the user provides."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
from sr4k.common.whole_file import write_whole
from sr4k.errors import InputError, OptionError


def check_fid(inception: Path) -> None:
    """Check that the distance can be measured with a file of Inception weights.

    Raises:
        InputError: the file is missing.
        OptionError: torch-fidelity can't be imported.
    """
    if not inception.is_file():
        raise InputError(
            f"FID needs Inception weights, and {inception} is not there: "
            "download weights-inception-2015-12-05-6726825d.pth of the torch-fidelity project, and pass its path."
        )
    try:
        import torch_fidelity  # noqa: F401
    except (ImportError, RuntimeError) as err:  # RuntimeError: torchvision for another version of PyTorch
        raise OptionError(f"FID needs torch-fidelity: pip install 'sr4k-stream[fid]' ({err}).") from err


class FrechetSets:
    """Sets of pictures between which the FID (Heusel et al., arXiv 1706.08500) is measured, kept as files.

    Args:
        inception: file of Inception weights of the torch-fidelity project; see `check_fid`.
        folder: an empty folder for the pictures.
    """

    def __init__(self, inception: Path, folder: Path) -> None:
        self._inception, self._folder = inception, folder
        self._counts: Counter[str] = Counter()

    def add(self, label: str, picture: NDArray[np.uint8]) -> None:
        """Add a picture, uint8 RGB (H, W, 3), to a set.

        Raises:
            OutputError: the picture can't be written.
        """
        write_whole(
            self._folder / label / f"{self._counts[label]:05d}.png",
            cv2.imencode(".png", picture[..., ::-1])[1].tobytes(),
        )
        self._counts[label] += 1

    def distance(self, label: str, other: str) -> float:
        """Return the FID between two sets."""
        import torch_fidelity

        measured = torch_fidelity.calculate_metrics(
            input1=str(self._folder / label),
            input2=str(self._folder / other),
            fid=True,
            cuda=False,
            verbose=False,
            cache=False,
            samples_resize_and_crop=299,
            feature_extractor_weights_path=str(self._inception),
        )
        return float(measured["frechet_inception_distance"])


@contextmanager
def frechet_sets(inception: Path | None) -> Iterator[FrechetSets | None]:
    """Keep sets of pictures in a folder for temporary files; ``None``, and no folder, without Inception weights."""
    if inception is None:
        yield None
        return
    with TemporaryDirectory() as folder:
        yield FrechetSets(inception, Path(folder))
