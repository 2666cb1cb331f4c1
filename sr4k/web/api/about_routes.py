"""What there is to choose from: files of the library and what is in them, networks, presets, forecasts."""

import logging
import stat
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sr4k.common.printable import printable
from sr4k.configs import load_preset, preset_names
from sr4k.errors import InputError, OptionError
from sr4k.jobs.sources import is_video_name
from sr4k.models import catalogue
from sr4k.models.foreign import store
from sr4k.models.zoo import has_weights
from sr4k.queue.errand import in_child
from sr4k.queue.planning import probe_of
from sr4k.web.api.job_routes import NewJobs
from sr4k.web.api.problems import responses
from sr4k.web.forecasts import Forecasts
from sr4k.web.web_service import WebService

log = logging.getLogger(__name__)

_PROBE_SECONDS = 60.0
"""Most seconds that a look into a file may take."""

_MOST_ENTRIES = 5000
"""Most entries of a folder that are listed."""

_MOST_NOTES = 10
"""Most of what is left out of a folder that is told one by one."""


class Model(BaseModel):
    """A network. ``own``: whether it ships with the package; ``scale``: by which it enlarges."""

    name: str
    own: bool
    scale: int | None
    trouble: str | None = None


class PresetAbout(BaseModel):
    """A preset: its name, and what it is for."""

    name: str
    description: str


class Entry(BaseModel):
    """A folder or a video of the library."""

    name: str
    path: str
    kind: Literal["folder", "video"]
    bytes: int | None = None
    modified: float | None = None


class Folder(BaseModel):
    """What is in a folder.

    Attributes:
        above: the folder that it is in; ``None``: it is a root, or the list of roots.
        notes: what is left out of ``entries``, and why, a sentence each.
    """

    path: str | None
    above: str | None
    entries: list[Entry]
    notes: list[str] = []


def router(service: WebService, forecasts: Forecasts) -> APIRouter:
    """Return the routes that change nothing."""
    made = APIRouter(prefix="/api/v1", tags=["about"], responses=responses(422))
    GivenPath = Annotated[str, Query(min_length=1, max_length=4096)]  # noqa: N806 - a type

    @made.get("/library")
    def library(folder: Annotated[str | None, Query(max_length=4096)] = None) -> Folder:
        """List a folder of the library; without one, the roots."""
        if folder is None:
            roots = [Entry(name=root.name, path=str(root), kind="folder") for root in service.library.roots]
            return Folder(path=None, above=None, entries=roots)
        found = service.inside(folder)
        is_root = found in service.library.roots
        entries, notes = _listed(service, found)
        return Folder(path=str(found), above=None if is_root else str(found.parent), entries=entries, notes=notes)

    @made.get("/probe", responses=responses(503))
    def probe(path: GivenPath) -> dict[str, Any]:
        """Show what is in a file, as ``sr4k probe`` does."""
        with service.errands.one():
            found: dict[str, Any] = in_child(probe_of, str(service.inside(path)), seconds=_PROBE_SECONDS)
        return found

    @made.post("/forecast", responses=responses(409, 503))
    def forecast(new: NewJobs) -> dict[str, Any]:
        """Tell what a job would do and cost, by upscaling a few seconds of the first source, as ``--dry-run`` does.

        A job that is added with the same source and options is kept with it.
        """
        job = new.jobs(service)[0]
        with service.errands.one():
            return forecasts.made(job, new.options)

    @made.get("/models")
    def models() -> list[Model]:
        """List the networks that jobs may name."""
        shipped = filter(has_weights, catalogue.ARCHITECTURES)
        own = [Model(name=name, own=True, scale=catalogue.figures(name).scale) for name in shipped]
        return own + [_foreign(name) for name in _names_of_users()]

    @made.get("/presets")
    def presets() -> list[PresetAbout]:
        """List the presets that jobs may name."""
        return [PresetAbout(name=name, description=load_preset(name).description) for name in preset_names()]

    return made


def _names_of_users() -> list[str]:
    """Return the names of the user's networks: none if they can't be read, for others ship."""
    try:
        return store.names()
    except OptionError as err:
        log.warning("%s", err)
        return []


def _foreign(name: str) -> Model:
    try:
        return Model(name=name, own=False, scale=catalogue.figures(name).scale)
    except Exception as err:
        return Model(name=name, own=False, scale=None, trouble=str(err))


def _listed(service: WebService, folder: FilePath) -> tuple[list[Entry], list[str]]:
    """Return folders and videos of a folder, and what is left out of them in words."""
    try:
        there = sorted(folder.iterdir(), key=lambda path: path.name.lower())
    except OSError as err:
        raise InputError(f"{folder} can't be listed ({err.strerror}).") from err
    seen = [path for path in there if not path.name.startswith(".")]
    found, faults = list[Entry](), list[str]()
    for path in seen[:_MOST_ENTRIES]:
        try:
            if (entry := _entry(service, path)) is not None:
                found.append(entry)
        except (OSError, InputError) as err:
            reason = str(err) if isinstance(err, InputError) else f"{path} can't be looked at ({err.strerror})."
            faults.append(printable(f"Left out: {reason}"))
    notes = faults[:_MOST_NOTES]
    if len(faults) > len(notes):
        notes.append(f"{len(faults) - len(notes)} more are left out for such reasons.")
    if len(seen) > _MOST_ENTRIES:
        notes.append(f"Of {len(seen)} names only the first {_MOST_ENTRIES} were looked at.")
    return found, notes


def _entry(service: WebService, path: FilePath) -> Entry | None:
    """Return a folder or a video; ``None``: it is something else.

    Raises:
        InputError: its name is no text, or it leads out of the library.
        OSError: it can't be looked at.
    """
    is_video = is_video_name(path)
    if not (is_video or path.is_symlink() or path.is_dir()):
        return None
    real = service.inside(str(path))
    if real.is_dir():
        return Entry(name=path.name, path=str(real), kind="folder")
    about = real.stat()
    if not is_video or not stat.S_ISREG(about.st_mode):
        return None
    return Entry(name=path.name, path=str(real), kind="video", bytes=about.st_size, modified=about.st_mtime)
