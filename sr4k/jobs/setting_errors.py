"""Makes errors about settings name the option, or keyword of a job, that was given."""

from collections.abc import Iterator
from contextlib import contextmanager

from sr4k.common.option_names import option
from sr4k.common.setting_words import ONE_OF
from sr4k.common.yaml_file import SettingError
from sr4k.errors import KEYWORDS, FieldError, OptionError


@contextmanager
def errors_by_option() -> Iterator[None]:
    """Rewrite errors about keys of a preset or fields of a job, raised inside, to name the options; see `option`.

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
        raise OptionError(f"{option(keyword)} can't be {err.given}: {_after(err.reason)}.") from err


def _after(reason: str) -> str:
    """Return the reason as the second half of a sentence."""
    if reason.startswith(ONE_OF):
        return reason.replace(ONE_OF, "use")
    return f"it {reason}" if reason.startswith("must") else reason
