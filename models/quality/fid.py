"""Frechet inception distance, by torch-fidelity (extra ``[fid]``) and Inception weights that the user provides."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from sr4k.common.opencv import cv2
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


def frechet_distance(made: list[NDArray[np.uint8]], real: list[NDArray[np.uint8]], inception: Path) -> float:
    """Return the FID (Heusel et al., arXiv 1706.08500) between two sets of pictures, uint8 RGB (H, W, 3).

    ``inception`` is the file of Inception weights of the torch-fidelity project.

    Raises:
        InputError: the file of Inception weights is missing.
        OptionError: torch-fidelity can't be imported.
    """
    check_fid(inception)
    import torch_fidelity

    with TemporaryDirectory() as folder:
        sets = []
        for label, pictures in (("made", made), ("real", real)):
            (Path(folder) / label).mkdir()
            sets.append(str(Path(folder) / label))
            for number, picture in enumerate(pictures):
                cv2.imwrite(str(Path(folder) / label / f"{number:05d}.png"), picture[..., ::-1])
        measured = torch_fidelity.calculate_metrics(
            input1=sets[0],
            input2=sets[1],
            fid=True,
            cuda=False,
            verbose=False,
            cache=False,
            samples_resize_and_crop=299,
            feature_extractor_weights_path=str(inception),
        )
    return float(measured["frechet_inception_distance"])
