"""Why a try to push to a target has ended, in words."""

import errno
import os

import pytest

from sr4k.live.address import parse_target
from sr4k.live.send.push_process import _reason


@pytest.mark.parametrize(
    ("number", "target", "told"),
    [
        (errno.EACCES, "/films/live.m3u8", "its folder can't be written to: check its permissions"),
        (errno.EACCES, "/films/live.mkv", "its folder can't be written to: check its permissions"),
        (errno.EACCES, "rtmp://host/app/key", "it is not allowed: somebody else may be publishing under this name"),
        (errno.EIO, "/films/live.mkv", "Input/output error"),
        (
            errno.EIO,
            "rtmp://host/app/key",
            "it was refused: the application or key is wrong, or the name can't be resolved",
        ),
    ],
)
def test_a_folder_is_told_in_words_other_than_those_of_a_server(number: int, target: str, told: str) -> None:
    assert _reason(OSError(number, os.strerror(number)), parse_target(target)) == told
