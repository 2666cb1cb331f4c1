"""Refuses requests that hold halves of characters: Python's JSON lets them pass, and nothing can store or show them."""

import json
import re

from fastapi import Request

from sr4k.errors import OptionError

_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""A surrogate, as JSON's escape or as it is: half of a character, if the other half isn't beside it."""


async def only_text(request: Request) -> None:
    """Read the body of a request, for routes of all kinds.

    Raises:
        OptionError: a string in it holds half of a character.
    """
    if request.method == "GET" or not _SUSPECT.search(body := await request.body()):
        return
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise OptionError("The request holds half of a character (a lone surrogate), which is no text.") from None
    except (ValueError, RecursionError):  # it is no JSON, which whoever reads it says
        return
