"""The file of the queue: a SQLite file, which survives the death of its program at any moment, with events and facts.

Each change is one transaction. Several threads may use one `QueueFile`, and several processes one file.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sr4k.errors import MachineError, OutputError, Sr4kError
from sr4k.queue.queued_job import Event, EventKind

_VERSION = 1
"""Version of the tables."""

_EVENTS = 5000
"""Number of events that are kept."""

_PATIENCE = 30.0
"""Seconds to wait for another process that writes."""

_TABLES = """
CREATE TABLE jobs(
    id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, target TEXT NOT NULL, options TEXT NOT NULL,
    state TEXT NOT NULL, decision TEXT NOT NULL, asked TEXT, priority INTEGER NOT NULL, place INTEGER NOT NULL,
    origin TEXT NOT NULL, created REAL NOT NULL, started REAL, ended REAL, runs INTEGER NOT NULL,
    progress TEXT NOT NULL, forecast TEXT, note TEXT, error TEXT, code INTEGER, result TEXT);
CREATE INDEX jobs_by_state ON jobs(state);
CREATE INDEX jobs_by_target ON jobs(target);
CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL, job INTEGER, data TEXT);
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class QueueFile:
    """The file of a queue, its transactions, what happened, and facts.

    Args:
        path: the file; it is created, with its folder, if there is none.

    Raises:
        OutputError: the file can't be opened, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            folder, reason = path.parent, err.strerror
            raise OutputError(f"The folder {folder} for the queue can't be made ({reason}): name another.") from err
        try:
            self._base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            self._base.row_factory = sqlite3.Row
            self._use_wal()
            self._prepare()
        except Sr4kError:
            raise
        except sqlite3.Error as err:
            raise OutputError(f"The queue {path} can't be opened: {err}.") from err

    def close(self) -> None:
        """Close the file. No method may be called afterwards."""
        with self._lock:
            self._base.close()

    def events(self, after: int = 0, *, limit: int = 500) -> list[Event]:
        """Return what happened after the event of that number, the oldest first."""
        rows = self._rows("SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", after, limit)
        return [Event(**{**dict(row), "data": json.loads(row["data"] or "{}")}) for row in rows]

    @property
    def latest(self) -> int:
        """Number of the latest event; 0: none yet."""
        return int(self._rows("SELECT coalesce(max(id), 0) AS latest FROM events")[0]["latest"])

    def tell_channel(self, name: str, **data: Any) -> None:
        """Note that a live channel went down or came up."""
        with self._writing():
            self._tell("channel", data={"name": name, **data})

    def fact(self, name: str) -> str | None:
        """Return a fact that was kept under a name; ``None``: there is none."""
        found = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return str(found[0]["value"]) if found else None

    def keep_fact(self, name: str, value: str) -> None:
        """Keep a fact under a name."""
        with self._writing():
            self._set_fact(name, value)

    def _tell(self, kind: EventKind, job: int | None = None, data: dict[str, Any] | None = None) -> None:
        said = self._base.execute(
            "INSERT INTO events(at, kind, job, data) VALUES (?, ?, ?, ?)",
            (time.time(), kind, job, json.dumps(data or {})),
        )
        self._base.execute("DELETE FROM events WHERE id <= ?", (int(said.lastrowid or 0) - _EVENTS,))

    def _set_fact(self, name: str, value: str) -> None:
        self._base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock, self._in_words():
            return self._base.execute(query, values).fetchall()

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[None]:
        """One transaction; inside another one, a part of it. ``durable``: it survives a power failure."""
        with self._lock:
            if self._base.in_transaction:
                yield
                return
            with self._in_words():
                self._base.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._base.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._base.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # a full disk may have ended it already
                        self._base.execute("ROLLBACK")
                    raise

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            raise MachineError(f"The queue {self.path} can't be read or written: {err}.") from err

    def _use_wal(self) -> None:
        """Switch the file to a write-ahead log. SQLite doesn't wait where several connections do so at once."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._base.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as err:
                if err.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def _prepare(self) -> None:
        with self._writing():
            found = self._base.execute("PRAGMA user_version").fetchone()[0]
            if found == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA user_version={_VERSION}")
            elif found != _VERSION:
                raise OutputError(f"The queue {self.path} is of another version of sr4k-stream: name another file.")
