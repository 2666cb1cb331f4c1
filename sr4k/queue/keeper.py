"""Keeps the settings of a queue in its file, so that they survive with the jobs."""

from hashlib import sha256

from sr4k.errors import OptionError
from sr4k.queue.job_queue import Queue
from sr4k.queue.planning import check_new, job_of
from sr4k.queue.settings import Library, QueueSettings

_FACT = "settings"


class SettingsChanged(OptionError):
    """Somebody else has changed the settings since they were read."""


def version_of(settings: QueueSettings) -> str:
    """Return what tells settings from others, in 16 characters."""
    return sha256(settings.model_dump_json().encode()).hexdigest()[:16]


class SettingsKeeper:
    """The present settings, also if another process has changed them. Any thread may use it.

    Args:
        queue: in whose file they are kept.
        library: that watched folders have to lie in.
    """

    def __init__(self, queue: Queue, library: Library) -> None:
        self._queue, self._library = queue, library
        self._known: tuple[str | None, QueueSettings] = (None, QueueSettings())

    @property
    def now(self) -> QueueSettings:
        """The present settings."""
        kept, (known, settings) = self._queue.fact(_FACT), self._known
        if kept is not None and kept != known:
            settings = QueueSettings.model_validate_json(kept)
            self._known = kept, settings
        return settings

    def change(self, settings: QueueSettings, *, version: str | None = None) -> QueueSettings:
        """Replace the settings. Folders that are watched are kept with links followed; those that stay are not checked.

        Args:
            version: of the settings that are to be replaced, see `version_of`; ``None``: any.

        Raises:
            SettingsChanged: the settings have another version by now.
            OptionError: a folder that is to be watched is none, or jobs can't have its options or results of its names.
            OutputError: nothing can be written there.
            InputError: a folder that is watched is not in the library.
        """
        watched, known = {}, self.now.watch
        for name, each in settings.watch.items():
            if each == known.get(name):  # its drive may be away
                watched[name] = each
                continue
            folder = self._library.inside(each.folder)
            if not folder.is_dir():
                raise OptionError(f"{each.folder}, which {name} is to watch, is no folder.")
            any_video = folder / ".any.mkv"  # no video has such a name
            check_new(self._library, job_of(any_video, each.target_of(any_video, 4, 4), each.options).target, any_video)
            watched[name] = each.model_copy(update={"folder": folder})
        found = settings.model_copy(update={"watch": watched})
        with self._queue.as_one():
            if version not in (None, version_of(self.now)):
                raise SettingsChanged(
                    "The settings have changed since they were read: read them again before changing them."
                )
            self._queue.keep_fact(_FACT, found.model_dump_json())
        return found
