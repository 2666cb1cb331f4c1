"""Pool of a job: finished segments that other machines have put there, each under a key that says what it is.

The pool is a folder in the job's, which several machines may see. A segment and its manifest are put once: whoever
comes second finds them there. So a segment that is made twice, by a machine that was thought lost, does no harm.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sr4k.common.file_hash import sha256_of
from sr4k.media.resume.journal import Journal, Segment, flush_to_disk, size_within

FOLDER = "pool"
"""Name of the pool's folder in that of the job."""

PACKETS, MANIFEST = ".packets", ".json"

_VISIBLE = 30.0
"""Maximum seconds to wait until a file that another machine has put is seen here (NFS keeps attributes that long)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known of a finished segment.

    Attributes:
        key: what it is: a hash of all that its bytes depend on.
        segment: its entry in the journal; the name is that of its file in the pool.
        sha256: of the file.
        encoder: name and header of its encoder, as the journal notes them.
        about: how it was made, for reports.
    """

    key: str
    segment: Segment
    sha256: str
    encoder: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)


class Pool:
    """The pool in a folder. It may be used by several machines at the same time.

    Args:
        folder: the pool's own folder; whoever owns the job has made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder if there is none."""
        self.folder.mkdir(exist_ok=True)

    @contextmanager
    def scratch(self, key: str) -> Iterator[Path]:
        """Make a folder to make a segment in, beside those that are finished; remove it at the end."""
        folder = self.folder / f"{key}.{os.urandom(4).hex()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, key: str, journal: Journal, encoder: dict[str, str], about: dict[str, Any]) -> Manifest:
        """Put a finished segment, the only one of a journal, unless one with this key is there. Return what is there.

        Raises:
            OSError: writing failed, or the job has removed its pool.
        """
        (made,) = journal.segments()
        file, name = journal.folder / made.name, f"{key}{PACKETS}"
        digest = sha256_of(file)
        with suppress(FileExistsError):
            os.link(file, self.folder / name)  # unlike a rename, a link replaces nothing
        segment = Segment(**(asdict(made) | {"name": name}))
        manifest = Manifest(key=key, segment=segment, sha256=digest, encoder=encoder, about=about)
        text = journal.folder / f"{key}{MANIFEST}"
        text.write_text(json.dumps(asdict(manifest)))
        flush_to_disk(text)
        with suppress(FileExistsError):
            os.link(text, self.folder / text.name)
        flush_to_disk(self.folder)
        return self.found(key) or manifest

    def keys(self) -> set[str]:
        """Return the keys of all finished segments."""
        return {path.stem for path in self.folder.glob(f"*{MANIFEST}")}

    def found(self, key: str) -> Manifest | None:
        """Return the manifest of a finished segment; ``None`` if there is none, or its file is not whole."""
        try:
            manifest = manifest_of((self.folder / f"{key}{MANIFEST}").read_text(), key)
        except (OSError, UnicodeError):
            return None
        if manifest is None or size_within(self.folder, f"{key}{PACKETS}") != manifest.segment.bytes:
            return None
        return manifest

    def seen(self, key: str, wait: Callable[[float], None] = time.sleep) -> Manifest | None:
        """Return the manifest of a segment that another machine says is finished; wait until it is seen here."""
        until = time.monotonic() + _VISIBLE
        while (manifest := self.found(key)) is None and time.monotonic() < until:
            any(self.folder.iterdir())  # makes NFS look again
            wait(0.2)
        return manifest

    def drop(self, key: str) -> None:
        """Remove a segment and its manifest."""
        for suffix in (MANIFEST, PACKETS):
            (self.folder / f"{key}{suffix}").unlink(missing_ok=True)

    def move(self, manifest: Manifest, journal: Journal) -> None:
        """Enter a segment into the journal as the next one. It stays in the pool until the journal lists it.

        Raises:
            OSError: writing failed.
            ValueError: the file is not the one that was put.
        """
        packets = self.folder / f"{manifest.key}{PACKETS}"
        if sha256_of(packets) != manifest.sha256:
            raise ValueError(f"{packets} has changed since it was written")
        name = f"{len(journal.segments()):06d}{PACKETS}"
        (journal.folder / name).unlink(missing_ok=True)  # of a run that was killed before it was listed
        os.link(packets, journal.folder / name)
        journal.add(Segment(**(asdict(manifest.segment) | {"name": name})))
        self.drop(manifest.key)

    @property
    def is_empty(self) -> bool:
        """Whether no finished segment is there."""
        return not self.keys()

    def remove(self) -> None:
        """Delete the pool with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def leave(self, name: str, content: str) -> None:
        """Write a file by which other machines find out whether they see this pool."""
        (self.folder / name).write_text(content)

    def take_away(self, name: str) -> None:
        """Remove such a file."""
        (self.folder / name).unlink(missing_ok=True)

    def holds(self, name: str, content: str) -> bool:
        """Whether such a file is here, and anything can be written.

        Raises:
            OSError: the folder can't be read and written.
        """
        if (self.folder / name).read_text() != content:
            return False
        with TemporaryDirectory(dir=self.folder, prefix="look."):
            return True

    def lend(self, name: str, file: Path) -> None:
        """Put a file for all machines, unless it is there."""
        own = self.folder / f"{name}.{os.urandom(4).hex()}"
        try:
            shutil.copyfile(file, own)
            flush_to_disk(own)
            with suppress(FileExistsError):
                os.link(own, self.folder / name)
        finally:
            own.unlink(missing_ok=True)

    def fetch(self, name: str, target: Path, check: Callable[[Path], None]) -> None:
        """Copy such a file to this machine. It appears whole, and after ``check`` has not raised an error of it."""
        copied_whole(self.folder / name, target, check)


def copied_whole(source: Path, target: Path, check: Callable[[Path], None]) -> None:
    """Copy a file, which appears under its name when it is whole, and ``check`` has not raised an error of it."""
    own = target.with_name(f"{target.name}.{os.urandom(4).hex()}")
    try:
        with source.open("rb") as read, own.open("wb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
        flush_to_disk(own)
        check(own)
        own.replace(target)
    finally:
        own.unlink(missing_ok=True)


def manifest_of(text: str, key: str) -> Manifest | None:
    """Return the manifest of a segment from its JSON; ``None``: it is none, or another segment's."""
    try:
        entry = json.loads(text)
        manifest = Manifest(**(entry | {"segment": Segment(**entry["segment"])}))
    except (ValueError, TypeError, KeyError):
        return None
    return manifest if manifest.key == key else None
