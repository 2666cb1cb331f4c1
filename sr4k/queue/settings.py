"""What the owner of a queue chooses: hours, jobs at once, folders, and which new files become jobs by themselves."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sr4k.errors import InputError
from sr4k.media.image_names import files_of, is_sequence
from sr4k.queue.queued_job import JobOptions, Number, Switch, Whole

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLACEHOLDERS = {"folder", "stem", "suffix", "height", "width"}

BIN = ".sr4k-bin"
"""Folder in each root for originals that were replaced."""


class _Chosen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchFolder(_Chosen):
    """A folder whose new videos become jobs.

    Attributes:
        folder: path, in one of the roots; with its subfolders.
        smaller_than: only videos whose pictures are smaller than this box in both directions, (width, height).
        names: only files whose names match one of these patterns, such as ``*.mkv``; empty: all videos.
        but_not: files whose names match one of these are left alone.
        stable: seconds that a file has to stay as it is before it counts as written.
        output: name of the result, relative to the folder of its source: ``{stem}``, ``{suffix}``, ``{width}`` and
            ``{height}`` of the source's name and pictures. Files whose names it could have made are left alone.
        options: of the jobs. ``priority``: of the jobs.
        polling: look every few seconds instead of waiting for the kernel's word, which network drives don't give.
        once_done: what happens to results whose checks are all well: ``keep`` or ``replace``.
    """

    folder: Path
    smaller_than: tuple[Annotated[Whole, Field(gt=0)], Annotated[Whole, Field(gt=0)]] | None = (2560, 1440)
    names: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()
    stable: Annotated[Number, Field(ge=1, le=86_400)] = 30.0
    output: str = "{stem} 4K.mkv"
    options: JobOptions = JobOptions(size="4k")
    priority: Annotated[Whole, Field(ge=-100, le=100)] = 0
    polling: Switch = False
    once_done: Literal["keep", "replace"] = "keep"

    @field_validator("output")
    @classmethod
    def _a_name(cls, output: str) -> str:
        fields = set(re.findall(r"\{([^{}]*)\}", output))
        if unknown := fields - (_PLACEHOLDERS - {"folder"}):
            raise ValueError(f"must have no {{{min(unknown)}}}: use {{stem}}, {{suffix}}, {{width}} and {{height}}")
        if "stem" not in fields or re.sub(r"\{[a-z]+\}", "", output).count("{"):
            raise ValueError("must contain {stem}, or all results would have one name")
        if output.startswith("/") or ".." in Path(output).parts:
            raise ValueError("must lie in the folder of the source or below it")
        if os.path.normpath(output) in ("{stem}{suffix}", "{stem}"):
            raise ValueError("must differ from the source's name")
        return output

    def wants(self, name: str) -> bool:
        """Whether a file of this name is wanted; one that `output` could have made is not."""
        is_named = not self.names or any(fnmatch(name, pattern) for pattern in self.names)
        return (
            is_named and not any(fnmatch(name, pattern) for pattern in self.but_not) and not self.could_have_made(name)
        )

    def could_have_made(self, name: str) -> bool:
        """Whether a file's name is one that `output` gives to results."""
        parts = re.split(r"(\{[a-z]+\})", Path(self.output).name)
        pattern = "".join(".+" if part.startswith("{") else re.escape(part) for part in parts)
        return bool(re.fullmatch(pattern, name, re.DOTALL))

    def target_of(self, source: Path, width: int, height: int, *, is_whole: bool = False) -> Path:
        """Return the path of a result.

        Args:
            width, height: of the source's pictures.
            is_whole: whether ``{stem}`` stands for the whole name of the source, with its suffix.
        """
        stem = source.name if is_whole else source.stem
        values = {"stem": stem, "suffix": source.suffix, "width": str(width), "height": str(height)}
        return source.parent / re.sub(r"\{([a-z]+)\}", lambda found: values[found[1]], self.output)


class QueueSettings(_Chosen):
    """What users of the service may change while it runs.

    Attributes:
        at_once: number of jobs that run side by side.
        hours: of the day in which jobs run, such as ``22:00-07:00``, in local time; ``None``: always.
        watch: folders whose new videos become jobs, by name.
    """

    at_once: Annotated[Whole, Field(ge=1, le=16)] = 1
    hours: str | None = None
    watch: Mapping[str, WatchFolder] = {}

    @field_validator("hours")
    @classmethod
    def _of_a_day(cls, hours: str | None) -> str | None:
        if hours is not None and not _HOURS.fullmatch(hours):
            raise ValueError("must be two times of the day, such as 22:00-07:00")
        if hours is not None and len({*hours.split("-")}) == 1:
            raise ValueError("must end at another time than they begin; leave them out to let jobs run at all times")
        return hours

    @field_validator("watch")
    @classmethod
    def _named(cls, watch: Mapping[str, WatchFolder]) -> Mapping[str, WatchFolder]:
        if wrong := [name for name in watch if not _NAME.fullmatch(name)]:
            raise ValueError(
                f"can't have a folder called '{wrong[0]}': names have up to 64 letters, digits, dots, dashes and "
                "underscores"
            )
        return watch

    def is_time(self, now: datetime) -> bool:
        """Whether jobs may run at a time of the day."""
        if self.hours is None:
            return True
        begin, end = (time.fromisoformat(text) for text in self.hours.split("-"))
        if begin <= end:
            return begin <= now.time() < end
        return now.time() >= begin or now.time() < end


class Library:
    """The folders that users of the service may read and write: nothing outside is shown, read or written.

    Args:
        roots: existing folders. Links in their paths are followed once, here.

    Raises:
        InputError: one is no folder, or its name is no UTF-8.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        for root in roots:
            if not root.is_dir():
                raise InputError(f"{root} isn't a folder: a library has to be one that exists.")
        self.roots = tuple(dict.fromkeys(root.resolve() for root in roots))
        for root in self.roots:
            _check_text(root)

    def inside(self, path: str | os.PathLike[str]) -> Path:
        """Return a path with all links followed. Each picture of a sequence has to lie in the roots as well.

        Raises:
            InputError: it is not absolute, or leads out of the roots; the error says no more about what is there. Or
                its name is no UTF-8, and so can be told to nobody.
        """
        given = Path(path)
        _check_text(given)
        try:
            found = given.resolve() if given.is_absolute() and "\0" not in str(path) else None
        except (OSError, RuntimeError):
            found = None
        if found is None or self.root_of(found) is None:
            raise InputError(f"{given} isn't in a library of this service.")
        _check_text(found)
        if is_sequence(found):
            for picture in files_of(found):
                self.inside(picture)
        return found

    def has(self, path: Path) -> bool:
        """Whether a path lies in a root, with all links followed."""
        try:
            self.inside(path)
        except InputError:
            return False
        return True

    def root_of(self, path: Path) -> Path | None:
        """Return the root that a resolved path lies in; ``None``: in none."""
        return next((root for root in self.roots if path == root or root in path.parents), None)

    def bin_of(self, path: Path) -> Path:
        """Return where the bin has room for a file of the library: at the same relative path."""
        root = self.root_of(path)
        assert root is not None
        return root / BIN / path.relative_to(root)


def _check_text(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"The name {path} is no text in UTF-8: rename it.") from None
