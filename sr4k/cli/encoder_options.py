"""Parses the command line's options for the encoder."""

from collections.abc import Sequence

from sr4k.errors import OptionError


def parse_pairs(options: Sequence[str]) -> dict[str, str]:
    """Parse the values of ``-e``.

    Raises:
        OptionError: one is not of the form ``KEY=VALUE``.
    """
    pairs = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise OptionError(f"'-e {option}' is not of the form KEY=VALUE: write -e tune=film, for example.")
        pairs[key] = value
    return pairs
