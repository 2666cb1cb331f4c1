"""Edits the file of the channels by way of a page: without its keys, checked, and applied as SIGHUP does."""

import difflib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from sr4k.common.whole_file import write_whole
from sr4k.errors import OptionError
from sr4k.jobs.live_job import LiveJob
from sr4k.service.edit_limits import check_addresses, check_settings
from sr4k.service.hidden_keys import hidden, revealed
from sr4k.service.planned_file import PlannedFile
from sr4k.service.preflight import troubles


class FileChanged(OptionError):
    """Somebody else has changed the file meanwhile."""


class Compares(Protocol):
    """Knows the channels that run; see `sr4k.service.run_channels.Service`."""

    def differences(self, runners: Mapping[str, LiveJob]) -> dict[str, list[str]]:
        """Return the names of channels that would be "added", "changed" and "removed"."""
        ...


class ChannelEditor:
    """The file of the channels, for whoever may operate them. Any thread may use it.

    Args:
        file: the file.
        runs: the channels that run.
        reload: asks for the file to be read again, as SIGHUP does.
        is_inside: whether a path lies in a library of the service.
    """

    def __init__(
        self, file: PlannedFile, runs: Compares, reload: Callable[[], None], is_inside: Callable[[Path], bool]
    ) -> None:
        self._file, self._runs, self._reload, self._is_inside = file, runs, reload, is_inside
        self._lock = threading.Lock()

    def shown(self) -> dict[str, Any]:
        """Return the text of the file without its keys, and its version.

        Raises:
            OptionError: it can't be read, is invalid, or holds a key where it can't be hidden.
        """
        with self._lock:
            version, text = self._version(), self._file.text()
            self._file.planned(self._file.settings(text))  # so that its secrets are known
            found = hidden(text, self._file.redaction.text).text
        if self._file.redaction.text(found) != found:
            raise OptionError("The file has a key or password that can't be hidden: edit it by hand, or remove that.")
        return {"name": self._file.path.name, "text": found, "version": version}

    def check(self, text: str, version: str) -> dict[str, Any]:
        """Return what an edited text would change: names of channels, and lines of a diff.

        Args:
            text: as `shown` returned it, and then edited.
            version: of the file that was edited.

        Raises:
            FileChanged: the file is of another version.
            OptionError: what is wrong, in words.
        """
        with self._lock:
            return self._checked(text, version)[1]

    def save(self, text: str, version: str) -> dict[str, Any]:
        """Write an edited text, as a whole, and let the channels follow; return what it changes.

        Raises:
            FileChanged, OptionError: as for `check`.
            OutputError: the file can't be written.
        """
        with self._lock:
            whole, changes = self._checked(text, version)
            self._check_version(version)  # what was tried took its time
            path = self._file.path.resolve()  # a link stays one
            write_whole(path, whole.encode(), mode=path.stat().st_mode)
        self._reload()
        return changes

    def _checked(self, text: str, version: str) -> tuple[str, dict[str, Any]]:
        self._check_version(version)
        file, was = self._file, self._file.text()
        file.settings(text)  # whether it is YAML at all
        before = file.settings(was)
        known, shown = file.planned(before), hidden(was, file.redaction.text)
        whole = revealed(text, shown)
        after = file.settings(whole)
        check_settings(before, after)
        jobs = file.planned(after)
        check_addresses(jobs, known, self._is_inside)
        found = self._runs.differences(jobs)
        if wrong := troubles({name: jobs[name] for name in (*found["added"], *found["changed"])}):
            raise OptionError(" ".join(wrong))
        lines = difflib.unified_diff(shown.text.splitlines(), text.splitlines(), lineterm="", n=2)
        diff = [file.redaction.text(line) for line in lines if not line.startswith(("---", "+++"))]
        return whole, {"changes": found, "diff": diff}

    def _check_version(self, version: str) -> None:
        if version != self._version():
            raise FileChanged(f"{self._file.path.name} has been changed elsewhere meanwhile: load it again.")

    def _version(self) -> str:
        try:
            about = self._file.path.stat()
        except OSError as err:
            raise OptionError(f"{self._file.path} can't be read: {err.strerror}.") from err
        return f"{about.st_mtime_ns}-{about.st_size}-{about.st_ino}"
