"""A target in a bucket: it is joined in a local folder, and put whole at the end. Its segments are kept beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sr4k.common.option_names import option
from sr4k.common.owned_folder import owned_folder
from sr4k.errors import DamageError, InputError, MachineError, OptionError, OutputError
from sr4k.media.object_upload import put_file
from sr4k.media.remote_path import RemotePath
from sr4k.media.resume.bucket_pool import BucketPool
from sr4k.media.resume.job_folder import Parts, claimed, kept_in_words
from sr4k.media.resume.pool import FOLDER
from sr4k.media.writing.containers import container_of
from sr4k.media.writing.target_file import already_there, check_target
from sr4k.media.writing.write_errors import FullDiskError


def check_bucket_target(target: RemotePath, source: Path, *, overwrite: bool, resume: bool) -> None:
    """Refuse a target that can't be written.

    Args:
        target: the object.
        source: what is read.
        overwrite: whether an existing object, or an unfinished job, may be replaced.
        resume: whether an unfinished job may be resumed.

    Raises:
        OptionError: the name has no suffix, or one of no container, or is the source's.
        InputError: it names no object, but a bucket.
        OutputError: the object exists, or an unfinished job, or the bucket can't be read and written.
    """
    target.check_object()
    if not target.suffix:
        raise OptionError(f"{target} has no suffix to choose a container by: try {target}.mp4.")
    container_of(target)
    if target == source:
        raise OptionError(f"{target} is the source itself: choose another name.")
    with _as_output(target):
        if target.exists() and not overwrite:
            raise already_there(target)
        if not (resume or overwrite or pool_of(target).is_empty):
            raise OutputError(
                f"{target} was begun before and is unfinished: add {option('resume', True)} to continue it, or "
                f"{option('overwrite', True)} to start again."
            )


def pool_of(target: RemotePath) -> BucketPool:
    """Return the pool of the job that makes a target."""
    return BucketPool(target.parent / f".{target.name}.parts" / FOLDER)


def remove_pool(target: RemotePath) -> None:
    """Remove what earlier runs have left of the job that makes a target.

    Raises:
        OutputError: the bucket can't be written.
    """
    with _as_output(target):
        pool_of(target).remove()


@contextmanager
def joined_here(target: RemotePath) -> Iterator[Parts]:
    """Yield the parts of a job that joins the target in a folder for temporary files, which is removed at the end."""
    with owned_folder() as own, claimed(own.path / target.name) as parts:
        check_target(parts.target, target, overwrite=False)
        yield parts


def put_whole(parts: Parts, target: RemotePath, *, overwrite: bool, is_stopped: Callable[[], bool]) -> None:
    """Put the finished result into the bucket, unless it is to be stopped.

    Raises:
        OutputError: it can't be written, or has appeared meanwhile and may not be replaced.
        StoppedError: it was stopped, and is not there.
    """
    with _as_output(target):
        is_free = overwrite or not target.exists()
        if is_free:
            with telling_what_is_kept(target, lambda: True):
                if put_file(str(target), str(target), parts.whole, replace=overwrite, is_stopped=is_stopped):
                    return
        again = f"{option('overwrite', True)} makes it again"
        if not parts.pool.is_empty:  # as it is where another command has made the same, and has deleted what both had
            again = f"Finished frames are kept: {option('resume', True)} with {option('overwrite', True)} puts them in"
            again = f"{again} its place"
        raise OutputError(f"{target} has appeared meanwhile and was not replaced. {again}.")


@contextmanager
def telling_what_is_kept(target: RemotePath, is_any: Callable[[], bool]) -> Iterator[None]:
    """Add to errors that finished segments are kept, and raise those of the bucket as errors of the target.

    Args:
        target: of the job.
        is_any: tells whether there are such segments. The bucket isn't asked, as it may be what can't be reached.
    """
    try:
        yield
    except (DamageError, FullDiskError):  # after which nothing is kept, or which say it
        raise
    except (InputError, OutputError, MachineError) as err:
        kind = OutputError if str(err).startswith(str(target)) else type(err)
        raise kind(f"{err} {kept_in_words()}" if is_any() else str(err)) from err


@contextmanager
def _as_output(target: RemotePath) -> Iterator[None]:
    """Raise what goes wrong as an error of the target."""
    try:
        yield
    except (OptionError, OutputError):
        raise
    except InputError as err:  # of the object store, which says all of it
        raise OutputError(str(err)) from err
    except OSError as err:
        raise OutputError(f"{target} can't be written: {err.strerror or err}") from err
