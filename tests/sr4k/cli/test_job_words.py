"""The lines that tell what became of jobs."""

import pytest

from sr4k.cli.job_words import result_lines
from sr4k.errors import InputError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("a.mp4 is not a video that can be read.", "error: a.mp4 is not a video that can be read."),
        ("a.mp4.b is empty.", "error: a.mp4: a.mp4.b is empty."),
        ("The disk is full.", "error: a.mp4: The disk is full."),
    ],
)
def test_the_error_of_one_of_several_videos_names_it_once(error: str, line: str) -> None:
    assert list(result_lines("a.mp4", InputError(error), alone=False, quiet=False)) == [line]
