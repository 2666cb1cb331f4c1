"""Who is told of news: webhooks, and those whom Apprise reaches, as environment variables name them."""

from collections.abc import Mapping
from importlib.util import find_spec

from sr4k.errors import OptionError
from sr4k.queue.apprise_notices import APPRISE, notified_at
from sr4k.queue.receiver import Receiver
from sr4k.queue.webhooks import is_address, webhooks_at

WEBHOOKS, SECRET = "SR4K_WEBHOOKS", "SR4K_WEBHOOK_SECRET"
"""Environment variables that hold addresses, with spaces between, and the key of webhooks' signatures."""

VARIABLES = WEBHOOKS, SECRET, APPRISE
"""All that hold secrets."""


def receivers_of(environment: Mapping[str, str]) -> tuple[Receiver, ...]:
    """Return those that environment variables name; see `VARIABLES`.

    Raises:
        OptionError: an address is none of HTTP, or none that Apprise knows, or Apprise is missing.
    """
    webhooks, apprise = (tuple(environment.get(name, "").split()) for name in (WEBHOOKS, APPRISE))
    if not all(map(is_address, webhooks)):
        raise OptionError(f"{WEBHOOKS} has an address that is not one of http:// or https://.")
    if apprise and find_spec("apprise") is None:
        raise OptionError(f"{APPRISE} needs Apprise: pip install 'sr4k-stream[notify]' brings it.")
    return *webhooks_at(webhooks, environment.get(SECRET) or None), *(notified_at(apprise) if apprise else ())
