"""Pictures are read whole or refused by name, and libraries write nothing to stderr of their own."""

import logging
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as photographs

from sr4k.errors import InputError
from sr4k.models.quality.image_files import read_rgb

PICTURE = photographs.astronaut()[:64, :64]


def packed(suffix: str, *options: int) -> bytes:
    written, data = cv2.imencode(suffix, np.ascontiguousarray(PICTURE[..., ::-1]), options)
    assert written
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused_by_name(
    suffix: str, share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, data = tmp_path / f"one{suffix}", packed(suffix)
    path.write_bytes(data)
    assert read_rgb(path).shape == PICTURE.shape
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=rf"one\{suffix} .*Take it out of the folder, or put a whole one in its place"):
        read_rgb(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("name", ["one.jpg", "one.png"])
def test_a_jpeg_file_that_is_cut_off_is_known_by_its_content(name: str, progressive: int, tmp_path: Path) -> None:
    path, data = tmp_path / name, packed(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    path.write_bytes(data)
    assert np.abs(read_rgb(path).astype(int) - PICTURE).mean() < 10
    for kept in (len(data) - 2, len(data) // 2):
        for rest in (b"", bytes(1000)):  # zeros: a download that stopped
            path.write_bytes(data[:kept] + rest)
            with pytest.raises(InputError, match=rf"{name} is damaged: the picture is cut off\. Take it out"):
                read_rgb(path)


def test_what_a_library_says_of_a_picture_that_it_reads_is_told_once_with_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path, data = tmp_path / "one.png", packed(".png")
    body = b"iCCP" + b"x\0\0" + zlib.compress(b"no profile")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])  # behind IHDR
    for _ in range(2):
        assert np.array_equal(read_rgb(path), PICTURE)
    assert capfd.readouterr() == ("", "")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{path}: libpng warning: iCCP")
