"""Turn the sources and the target of a command line into jobs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sr4k.common.folder_walk import walked
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.jobs.file_job import Job
from sr4k.media.image_names import is_picture
from sr4k.media.writing.containers import CONTAINERS
from sr4k.media.writing.target_file import PARTIAL

_OTHERS = ".avi .wmv .asf .mpg .mpeg .vob .mxf .ogv .3gp .3g2 .f4v .gif .rm .rmvb .divx .dv .m2v .mod .tod"
_VIDEOS = {*CONTAINERS, *_OTHERS.split()}
"""Suffixes by which the videos in a folder are recognised."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A source; ``below`` is its path relative to the folder that was named, or its file name."""

    path: Path
    below: Path


def jobs_into(sources: Sequence[Path], first: Job, *, folder: bool = False, recursive: bool = False) -> list[Job]:
    """Return one job for each source, with the options of the first.

    Args:
        sources: files, image sequences and folders. A folder stands for all videos in it, sorted by name.
        first: holds the options and the target. If there are several sources, if one is a folder, or if the target is a
            folder, results are written into the target under their sources' names; as ``.mkv`` if the container of the
            source can't be written.
        folder: whether the target is to be a folder even if it does not exist yet.
        recursive: whether to search subfolders as well; results are then written to subfolders of the same names.

    Raises:
        InputError: a folder contains no videos.
        OptionError: two results would have the same name.
        OutputError: the target has to be a folder, but is a file or has the suffix of one.
    """
    target = first.target
    has_folders = any(map(_is_folder, sources))
    if len(sources) == 1 and not (has_folders or folder or target.is_dir()):
        return [first]
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} isn't a folder: several videos need one.")
    if not (folder or target.is_dir()) and (target.suffix.lower() in CONTAINERS or is_picture(target)):
        raise OutputError(f"{target} isn't a folder: several videos need one. Name one, or end it with a slash.")
    found = [each for source in sources for each in _found_at(source, target, recursive=recursive)]
    targets = _targets(found, target)
    return [_like(first, each.path, to) for each, to in zip(found, targets, strict=True)]


def _like(first: Job, source: Path, target: Path) -> Job:
    """Return a job with the options of the first; options of video encoders are dropped if the target is a picture."""
    if not is_picture(target):
        return replace(first, source=source, target=target)
    encode = first.preset.encode.model_copy(update={"codec": "auto", "encoder": "auto", "crf": None, "bitrate": None})
    preset = first.preset.model_copy(update={"encode": encode})
    return replace(first, source=source, target=target, preset=preset, resume=False)


def _found_at(source: Path, target: Path, *, recursive: bool) -> Iterator[_Found]:
    if not _is_folder(source):
        yield _Found(source, Path(source.name))
        return
    for path in videos_in(source, but_not=target, recursive=recursive):
        yield _Found(path, path.relative_to(source))


def _is_folder(source: Path) -> bool:
    try:
        return source.is_dir()
    except PermissionError:  # of the folder that it is in, which is told where the source is read
        return False


def videos_in(folder: Path, *, but_not: Path | None = None, recursive: bool = False) -> list[Path]:
    """Return the videos in a folder, by their names, sorted.

    Args:
        but_not: a subfolder that is left out, as hidden ones are. ``recursive``: whether to search subfolders.

    Raises:
        InputError: there are none, or the folder can't be read.
    """
    found = sorted(_walked(folder, but_not, recursive=recursive))
    if not found:
        where = "" if recursive else ", or --recursive to search the folders in it"
        raise InputError(f"{folder} is a folder without videos: name a video{where}; pictures as %05d.png.")
    return found


def _walked(source: Path, but_not: Path | None, *, recursive: bool) -> Iterator[Path]:
    skipped = None if but_not is None else but_not.resolve()
    for folder, inner, names in walked(source):
        inner[:] = [
            name
            for name in inner
            if recursive and not name.startswith(".") and (Path(folder) / name).resolve() != skipped
        ]
        for path in (Path(folder) / name for name in names):
            if is_video_name(path) and not path.is_fifo():  # which would wait for its writer
                yield path


def is_video_name(path: Path) -> bool:
    """Whether a file in a folder counts as a video, by its name; hidden and incomplete ones don't."""
    return path.suffix.lower() in _VIDEOS and not path.name.startswith(".") and not path.stem.endswith(PARTIAL)


def _targets(found: Sequence[_Found], folder: Path) -> list[Path]:
    """Return the target of each source; sources with equal names get the name of their folder as well."""
    plain = [folder / _named(each.below) for each in found]
    times = Counter(plain)
    targets = [
        to if times[to] == 1 else folder / each.path.absolute().parent.name / _named(each.below)
        for each, to in zip(found, plain, strict=True)
    ]
    seen: dict[Path, Path] = {}
    for each, to in zip(found, targets, strict=True):
        if to in seen:
            raise OptionError(f"{seen[to]} and {each.path} would both become {to}: upscale them one after the other.")
        seen[to] = each.path
    return targets


def _named(path: Path) -> Path:
    """Return the name of the result, with the suffix of a container that can be written."""
    return path if path.suffix.lower() in CONTAINERS or is_picture(path) else path.with_suffix(".mkv")
