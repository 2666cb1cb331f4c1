"""The local time zone, as the variable ``TZ`` and the system's files of zones define it."""

import os
import re
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

_UTC = re.compile(r"<?[A-Za-z0-9+-]{3,}>?[+-]?0+(:00){0,2}")
"""Form of POSIX in which a zone of UTC is written out, such as ``GMT0`` (IEEE 1003.1, 8.3)."""


def unknown_zone() -> str | None:
    """Return the zone that ``TZ`` names and the system doesn't know, so that local time is UTC; ``None``: it is known.

    Images of containers often lack the files of zones (the package tzdata).
    """
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name or time.timezone or time.daylight or _UTC.fullmatch(name) or Path(name).is_file():
        return None
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return name
    return None


def local_clock() -> str:
    """Return the local time, its zone and the distance from UTC, such as ``21:05, CET, UTC+01:00``."""
    now = datetime.now().astimezone()
    offset = now.strftime("%z")
    return f"{now:%H:%M, %Z}, UTC{offset[:3]}:{offset[3:5]}"
