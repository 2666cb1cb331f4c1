"""Makes errors about settings name the option, or keyword of a job, that was given."""

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager

from sr4k.common.option_names import option
from sr4k.common.setting_words import ONE_OF
from sr4k.common.yaml_file import SettingError
from sr4k.errors import KEYWORDS, FieldError, OptionError


@contextmanager
def errors_by_option(given: Container[str] | None = None) -> Iterator[None]:
    """Rewrite errors about keys of a preset or fields of a job, raised inside, to name the options; see `option`.

    Args:
        given: keywords that were given; a value of another key is the preset's, and the error says so. ``None``: all.

    Raises:
        OptionError: an option has a value that it can't have.
    """
    try:
        yield
    except FieldError as err:
        raise OptionError(err.told({key: option(keyword) for key, keyword in KEYWORDS.items()})) from err
    except SettingError as err:
        section, _, rest = err.key.partition(".")
        keyword = KEYWORDS.get(f"{section}.{rest.partition('.')[0]}")
        if keyword is None:
            raise OptionError(f"{err.reason[:1].upper()}{err.reason[1:]}.") from err
        is_given = given is None or keyword in given
        name = option(keyword) if is_given else f"{err.key} of the preset"
        raise OptionError(f"{name} can't be {err.given}: {_after(err.reason)}.") from err


def keywords_of(section: str, changes: Mapping[str, object]) -> set[str]:
    """Return the keywords of those keys of a preset's section that are changed: not to ``None``."""
    return {KEYWORDS.get(f"{section}.{key}", key) for key, value in changes.items() if value is not None}


def _after(reason: str) -> str:
    """Return the reason as the second half of a sentence."""
    if reason.startswith(ONE_OF):
        return reason.replace(ONE_OF, "use")
    return f"it {reason}" if reason.startswith("must") else reason
