"""A command ends with one line for an error, in the words of the command."""

import pytest
import typer

from sr4k.cli.one_line_errors import errors_in_one_line, verdict
from sr4k.media.writing.write_errors import FullDiskError


def test_an_error_that_is_put_into_words_late_names_options_as_the_command_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit), errors_in_one_line(verbose=False):
        raise FullDiskError("/films", True)
    assert "free some space, then add --resume to continue." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "told"),
    [("list index out of range", "list index out of range."), ("It failed.", "It failed."), ("", "ValueError.")],
)
def test_what_a_bug_says_and_what_to_do_about_it_are_two_sentences(said: str, told: str) -> None:
    end = verdict(ValueError(said))
    assert end.text == f"{told} This is a bug in sr4k-stream: --verbose prints a traceback to report."
    assert end.code == 70
