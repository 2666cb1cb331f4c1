"""Facts of a run on a machine that may be taken away: on disk one by one, and as tables at the end."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Fact = dict[str, Any]
"""A row: ``call``, ``part`` and ``what`` name it; the other keys are measurements, or ``error`` or ``left_out``."""

NAME = "facts.jsonl"

KILLED = "it was killed after"
"""Begins the error of a row that hung."""

_ABOUT = ("call", "part", "what", "t")
_MOST_COLUMNS = 12
_LONGEST = 400
"""Characters of a cell in a table."""


class Facts:
    """Files of JSON lines in several folders, each line synced to disk before the next is measured."""

    def __init__(self, folders: Sequence[Path], call: str) -> None:
        self._call, self._began = call, time.monotonic()
        self._paths = [folder / NAME for folder in folders]
        self.all: list[Fact] = []

    def add(self, part: str, what: str, **values: Any) -> None:
        """Write one fact to every file, and print it."""
        fact = {"call": self._call, "part": part, "what": what, "t": round(time.monotonic() - self._began, 1), **values}
        line = json.dumps(fact, default=str)
        for path in self._paths:
            with path.open("a") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.all.append(fact)
        print(line[:400], flush=True)


def read_facts(path: Path) -> list[Fact]:
    """Return the facts of a file, the last of each row alone; none if there is no such file.

    A line that a power cut left incomplete is skipped.
    """
    latest: dict[tuple[str, str], Fact] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            fact = json.loads(line)
        except ValueError:
            continue
        latest[fact["part"], fact["what"]] = fact
    return list(latest.values())


def is_measured(fact: Fact) -> bool:
    """Whether a fact holds a measurement, not the reason why there is none, and no wrong result."""
    return "error" not in fact and "left_out" not in fact and fact.get("right", True)


def as_table(facts: Sequence[Fact]) -> str:
    """Return one Markdown table for each part, in the order of the facts."""
    lines: list[str] = []
    for part in dict.fromkeys(fact["part"] for fact in facts):
        rows = [fact for fact in facts if fact["part"] == part]
        columns = list(dict.fromkeys(key for row in rows for key in row if key not in _ABOUT))
        if len(columns) > _MOST_COLUMNS:
            rows = [{"what": row["what"], "found": _in_words(row)} for row in rows]
            columns = ["found"]
        lines += ["", f"## {part}", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for row in rows:
            lines.append(f"| {row['what']} | {' | '.join(_cell(row.get(column, '')) for column in columns)} |")
    return "\n".join(lines).lstrip() + "\n"


def _in_words(row: Fact) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items() if key not in _ABOUT)


def _cell(value: Any) -> str:
    shown = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).replace("|", "/").split())
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
