"""Text of others, in one line."""

from sr4k.common.printable import first_line, one_line


def test_long_text_is_cut_between_words() -> None:
    assert one_line(" size mismatch\n\tfor torch.Size([64]) ", 40) == "size mismatch for torch.Size([64])"
    assert one_line("size mismatch for torch.Size([64])", 20) == "size mismatch for …"
    assert one_line("size mismatch", 13) == "size mismatch"
    assert one_line("size mismatch for", 13) == "size mismatch …"
    assert one_line("mismatch", 4) == "mism …", "one word is cut where it has to be"


def test_the_first_line_of_an_error_is_what_it_says_or_its_type() -> None:
    assert first_line(ValueError(" one  two\nthree")) == "one two"
    assert first_line(ValueError("one two"), 4) == "one …"
    assert first_line(WordlessError()) == "WordlessError"


class WordlessError(Exception):
    """An error without words."""
