"""Kinds of failures: a fixed set for metrics and alerts, derived from reasons, which are sentences for people."""

import re
from typing import Literal, get_args

Kind = Literal[
    "refused",
    "unreachable",
    "timeout",
    "name",
    "certificate",
    "rejected",
    "closed",
    "unreadable",
    "disk",
    "storage",
    "hangs",
    "crashed",
    "limits",
    "other",
]

KINDS: tuple[Kind, ...] = get_args(Kind)

# The first match counts. A reason that names several possible causes gets the likeliest kind.
_WORDS: tuple[tuple[str, Kind], ...] = (
    (r"process hangs", "hangs"),
    (r"connection was refused|Connection refused", "refused"),
    (
        r"nobody publishes|application or key|not allowed: somebody|passphrase|rejected|401|403|answered 404|password",
        "rejected",
    ),
    (r"refused the connection", "rejected"),
    (r"certificate is|certificate was|certificate has|certificate does|SSL_CERT_FILE", "certificate"),
    (r"can't be resolved|Name or service", "name"),
    (r"unreachable|[Nn]o route", "unreachable"),
    (r"(did|does) not answer|no answer|nobody answers|not load within|nothing came|accepted no data", "timeout"),
    (r"no picture (came|for)", "timeout"),
    (r"disk is full|[Nn]o space left", "disk"),
    (r"folder|[Pp]ermission|[Rr]ead-only|[Nn]o such file|does not exist|can't be written|is a directory", "storage"),
    (r"too large|too many|more than|memory|exceeds|invalid (report|message)|could be started", "limits"),
    (r"was killed|was ended|exit code|process died|crashed|aborted|of CPU time|reader failed|a bug", "crashed"),
    (r"broke off|went away|stream ended|pattern ended|it ended|lost its neighbour|Broken pipe|reset by peer", "closed"),
    (r"no video|can't be decoded|could be decoded|readable stream|container or protocol|Invalid data", "unreadable"),
)
_PATTERNS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple((re.compile(words), kind) for words, kind in _WORDS)


def kind_of(reason: str) -> Kind:
    """Return the kind of a failure, by the words of its reason."""
    return next((kind for pattern, kind in _PATTERNS if pattern.search(reason)), "other")
