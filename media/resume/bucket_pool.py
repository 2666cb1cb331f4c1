"""Pool of a job in a bucket: what `sr4k.media.resume.pool` is in a folder, for machines that share no disk."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sr4k.common.file_hash import sha256_of
from sr4k.common.owned_folder import owned_folder
from sr4k.media import object_store
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.journal import Journal, Segment
from sr4k.media.resume.pool import MANIFEST, PACKETS, Manifest, Pool, copied_whole, manifest_of


class BucketPool:
    """The pool below a prefix of a bucket. Segments are made in local folders, and put once.

    Whatever it does may raise an `OSError`: the bucket can't be reached, or not be read and written.

    Args:
        folder: the prefix, which messages don't name: they name the result beside it.
    """

    def __init__(self, folder: RemotePath) -> None:
        self.folder = folder
        job = folder.parent
        self._shown = str(job.with_name(job.name.removeprefix(".").removesuffix(".parts")))

    def make(self) -> None:
        """Do nothing: a bucket has no folders."""

    @contextmanager
    def scratch(self, key: str) -> Iterator[Path]:  # noqa: ARG002 - as of a pool in a folder
        """Make a local folder to make a segment in; remove it at the end."""
        with owned_folder() as own:
            yield own.path

    def put(self, key: str, journal: Journal, encoder: dict[str, str], about: dict[str, Any]) -> Manifest:
        """Put a finished segment, the only one of a journal, unless its key is there. Return what is there."""
        (made,) = journal.segments()
        file, packets = journal.folder / made.name, f"{key}{PACKETS}"
        digest = sha256_of(file)
        self._put(packets, file)
        segment = Segment(**(asdict(made) | {"name": packets}))
        manifest = Manifest(key=key, segment=segment, sha256=digest, encoder=encoder, about=about)
        self._put(f"{key}{MANIFEST}", json.dumps(asdict(manifest)).encode())
        return self.found(key) or manifest

    def keys(self) -> set[str]:
        """Return the keys of all finished segments."""
        return {name.removesuffix(MANIFEST) for name in self._names() if name.endswith(MANIFEST)}

    def found(self, key: str) -> Manifest | None:
        """Return the manifest of a finished segment; ``None`` if there is none."""
        try:
            with self._object(f"{key}{MANIFEST}").open() as file:
                return manifest_of(file.read().decode(), key)
        except FileNotFoundError:
            return None

    def seen(self, key: str, wait: Callable[[float], None] = time.sleep) -> Manifest | None:  # noqa: ARG002
        """Return the manifest of a segment that another machine says is finished."""
        return self.found(key)

    def drop(self, key: str) -> None:
        """Remove a segment and its manifest."""
        for suffix in (MANIFEST, PACKETS):
            self._delete(f"{key}{suffix}")

    def move(self, manifest: Manifest, journal: Journal) -> None:
        """Copy a segment into the journal as the next one. It stays in the bucket, as the journal is for this run only.

        Raises:
            ValueError: the object is not the one that was put.
        """
        packets = self._object(f"{manifest.key}{PACKETS}")
        name = f"{len(journal.segments()):06d}{PACKETS}"

        def check(copied: Path) -> None:
            if sha256_of(copied) != manifest.sha256:
                raise ValueError(f"A finished segment of {self._shown} has changed since it was written")

        copied_whole(packets, journal.folder / name, check)
        journal.add(Segment(**(asdict(manifest.segment) | {"name": name})))

    @property
    def is_empty(self) -> bool:
        """Whether no finished segment is there."""
        return not self.keys()

    def remove(self) -> None:
        """Delete all that is in it."""
        for name in self._names():
            self._delete(name)

    def leave(self, name: str, content: str) -> None:
        """Write a file by which other machines find out whether they see this pool."""
        self._put(name, content.encode())

    def take_away(self, name: str) -> None:
        """Remove such a file."""
        self._delete(name)

    def holds(self, name: str, content: str) -> bool:
        """Whether such a file is here, and anything can be written."""
        with self._object(name).open() as file:
            if file.read().decode() != content:
                return False
        probe = f"look.{os.urandom(4).hex()}"
        self._put(probe, b"")
        self._delete(probe)
        return True

    def lend(self, name: str, file: Path) -> None:
        """Put a file for all machines, unless it is there."""
        self._put(name, file)

    def fetch(self, name: str, target: Path, check: Callable[[Path], None]) -> None:
        """Copy such a file to this machine. It appears whole, and after ``check`` has not raised an error of it."""
        copied_whole(self._object(name), target, check)

    def _object(self, name: str) -> RemotePath:
        return (self.folder / name).told_as(self._shown)

    def _names(self) -> list[str]:
        return object_store.names_below(str(self.folder), self._shown)

    def _put(self, name: str, content: Path | bytes) -> None:
        object_store.put_once(str(self.folder / name), self._shown, content)

    def _delete(self, name: str) -> None:
        object_store.delete(str(self.folder / name), self._shown)


def pool_at(folder: Path) -> Pool | BucketPool:
    """Return the pool in a folder, or below a prefix of a bucket."""
    return BucketPool(folder) if isinstance(folder, RemotePath) else Pool(folder)
