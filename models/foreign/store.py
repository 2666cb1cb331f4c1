"""The user's networks: ONNX files with their cards in the user's data folder, found by name. Light to import.

A network is named, or is the path of an ONNX file; its card is then found by the hash of the file.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from sr4k.common.file_hash import sha256_of
from sr4k.common.option_names import option
from sr4k.common.owned_folder import owned_folder
from sr4k.common.whole_file import write_whole
from sr4k.errors import OptionError, OutputError
from sr4k.models.foreign.card import Card, read_card

FOLDER = "SR4K_MODELS"
"""Environment variable that overrides the folder."""

SUFFIX = ".onnx"

WEIGHTS = ".safetensors"
"""Of the weights for PyTorch."""

CHECKPOINTS = (".pth", ".pt", ".ckpt", WEIGHTS)
"""Ends of the names of checkpoints."""

MOST_BYTES = 1 << 30
"""Size of the largest file that is read: about seven times that of the largest published network."""

_MOST_OF_CARD = 1 << 20
"""Bytes of the largest card that is read: the text of a licence takes a few dozen thousand."""

_FEW = 20
"""Names that an error lists at most."""

_USERS = "XDG_DATA_HOME"
"""Environment variable with the user's data directory, by the XDG Base Directory Specification."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A network that a user brought.

    Attributes:
        name: as the user has it: a name, or the path of the file.
        path: of the ONNX file, whose hash is that of the card.
        card: what is known of it.
    """

    name: str
    path: Path
    card: Card

    @property
    def weights(self) -> Path:
        """Path of the weights for PyTorch, of a network that was added as a checkpoint."""
        return self.path.with_suffix(WEIGHTS)

    def check_precision(self, precision: str) -> None:
        """Check that the network exists in a precision: it is in int8, or it is in float and runs in any float.

        Raises:
            OptionError: it doesn't.
        """
        if self.card.precision == "int8" and precision not in ("auto", "int8"):
            raise OptionError(f"{self.name} is in int8: omit {option('precision')}, or take the network in float.")
        if self.card.precision != "int8" and precision == "int8":
            raise OptionError(
                f"{self.name} runs in float: omit {option('precision')}. sr4k quantize makes an int8 form of it."
            )


def store_folder() -> Path:
    """Return the folder of the user's networks: ``SR4K_MODELS``, or a folder in the user's data directory."""
    users = os.environ.get(_USERS, "")
    home = Path(users) if users.startswith("/") else Path("~/.local/share").expanduser()
    return Path(os.environ.get(FOLDER) or home / "sr4k-stream" / "models")


def check_name(name: str) -> None:
    """Check a name for a network.

    Raises:
        OptionError: it can't be one.
    """
    if not _NAME.fullmatch(name) or name.endswith(SUFFIX):
        raise OptionError(
            f"A network can't be called '{name}': give a name of up to 64 letters, digits, dots, dashes and "
            f"underscores, with a letter or digit at the beginning and without {SUFFIX} at the end."
        )


def files_of_name(name: str) -> tuple[Path, Path]:
    """Return the paths of a network's ONNX file and card in the store."""
    folder = store_folder()
    return folder / f"{name}{SUFFIX}", folder / f"{name}.toml"


def is_path(name: str) -> bool:
    """Whether a network is named by the path of its file."""
    return name.lower().endswith(SUFFIX)


def names() -> list[str]:
    """Return the names of the user's networks.

    Raises:
        OptionError: their folder can't be read.
    """
    try:
        paths = [*store_folder().iterdir()]  # not by glob, which finds nothing in what can't be read
    except FileNotFoundError:
        return []
    except OSError as err:
        raise _unreadable(err) from err
    return sorted(path.stem for path in paths if path.suffix == ".toml" and _NAME.fullmatch(path.stem))


def _unreadable(err: OSError) -> OptionError:
    """Return the error for a folder that can't be read, or can't be looked into."""
    folder = store_folder()
    if isinstance(err, NotADirectoryError):
        return OptionError(f"Your networks can't be read: {folder} is no folder. Set {FOLDER} to the one they are in.")
    return OptionError(f"Your networks can't be read ({err.strerror}): check the permissions of {folder}.")


def find(name: str) -> Foreign | None:
    """Return a network of the user's; ``None``: there is none of that name, or nothing is known of that file.

    The file is hashed once in a process.

    Raises:
        OptionError: the file is not the one that was added, or can't be read, or its card is damaged; or the store
            can't be read.
    """
    if is_path(name):
        path = Path(name)
        digest = hash_of_file(path)
        card_file = card_of_hash(digest)
        if not _is_there(card_file):
            return None
        return Foreign(name, path, _card(card_file, digest, name))
    if not _NAME.fullmatch(name):
        return None
    path, card_file = files_of_name(name)
    if not _is_there(card_file):
        return None
    return Foreign(name, path, _card(card_file, hash_of_file(path), name))


def _is_there(path: Path) -> bool:
    """Whether the store has a file.

    Raises:
        OptionError: its folder may not be looked into.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as err:
        raise _unreadable(err) from err
    return True


def card_of_hash(digest: str) -> Path:
    """Return the path of the card of a file that was not added, by the SHA-256 of the file."""
    return store_folder() / "by-hash" / f"{digest}.toml"


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits.

    Raises:
        OptionError: it can't be read, is no regular file or is too large.
    """
    try:
        about = path.stat()
        if not path.is_file():
            raise OptionError(f"{path} is no file: a network is the path of an ONNX file, or a name.")
        if about.st_size > MOST_BYTES:
            raise OptionError(
                f"{path} is too large for a network ({about.st_size >> 20} MiB): {MOST_BYTES >> 20} MiB at most."
            )
        return _hashed(path, about.st_size, about.st_mtime_ns, about.st_ino)
    except OSError as err:
        raise OptionError(f"{path} can't be read ({err.strerror}).") from err


@lru_cache(maxsize=64)
def _hashed(path: Path, _size: int, _time: int, _inode: int) -> str:
    return sha256_of(path)


def _card(card_file: Path, digest: str, name: str) -> Card:
    try:
        if not card_file.is_file() or card_file.stat().st_size > _MOST_OF_CARD:
            raise OSError("it is no file, or too large")
        card = read_card(card_file.read_text("utf-8"), str(card_file))
    except (OSError, UnicodeDecodeError) as err:
        raise OptionError(f"{card_file} can't be read: remove the network and add it again.") from err
    if card.sha256 != digest:
        raise OptionError(
            f"The network {name} is not the one that was added: its SHA-256 is {digest[:12]}…, and its card says "
            f"{card.sha256[:12]}…. Remove it and add it again."
        )
    return card


def make_folder() -> None:
    """Create the folder of the store, if needed.

    Raises:
        OutputError: it can't be created, or can't be written to.
    """
    folder, instead = store_folder(), f"set {FOLDER} to a folder where your networks can be kept."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"{folder} can't be created ({err.strerror}): {instead}") from err
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder} can't be written to: {instead}")


@contextmanager
def new_files() -> Iterator[Path]:
    """Make a folder in the store for the files of a network until `keep` moves them; it is removed in the end.

    Raises:
        OutputError: it can't be made.
    """
    make_folder()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(owned_folder(store_folder()))
        except OSError as err:
            raise OutputError(f"{store_folder()} can't be written to ({err.strerror}).") from err
        yield folder.path


def check_unused(name: str) -> None:
    """Check that the store has no network of a name.

    Raises:
        OptionError: it has.
    """
    if _is_there(files_of_name(name)[1]):
        raise OptionError(
            f"There is a network '{name}' already: give another name, or remove that one with sr4k model remove {name}."
        )


def keep(name: str, graph: Path, card: Card) -> None:
    """Move a network's files into the store, and write its card, which comes last and makes the network known.

    Of several that are kept under one name at the same time, the first is.

    Args:
        name: of the network.
        graph: its ONNX file; the weights for PyTorch, if the card knows of any, are beside it.
        card: what is known of it.

    Raises:
        OptionError: the store has a network of that name.
        OutputError: a file can't be written.
    """
    path, card_file = files_of_name(name)
    with _locked():
        check_unused(name)
        try:
            if card.weights_sha256:
                graph.with_suffix(WEIGHTS).replace(path.with_suffix(WEIGHTS))
            graph.replace(path)
        except OSError as err:
            raise OutputError(f"{path} can't be written ({err.strerror}).") from err
        write_whole(card_file, card.to_toml().encode())


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time write to the store, where its file system has locks.

    Raises:
        OptionError: the store can't be read.
    """
    try:
        folder = os.open(store_folder(), os.O_RDONLY)
    except OSError as err:
        raise _unreadable(err) from err
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def keep_card(card: Card) -> None:
    """Write the card of a file that was not added.

    Raises:
        OptionError: the store can't be read.
        OutputError: the file can't be written.
    """
    make_folder()
    with _locked():
        write_whole(card_of_hash(card.sha256), card.to_toml().encode())


def remove(name: str) -> None:
    """Delete a network of the store.

    Raises:
        OptionError: there is none of that name.
        OutputError: it can't be deleted.
    """
    found = [path for path in of_network(name) if _is_there(path)]
    if not found:
        raise unknown(name)
    try:
        for path in found:
            path.unlink()
    except OSError as err:
        raise OutputError(f"{path} can't be deleted ({err.strerror}).") from err


def of_network(name: str) -> Iterator[Path]:
    """Yield the paths of all files that the store may have of a network, the card first.

    Raises:
        OptionError: no network can have that name.
    """
    check_name(name)
    path, card_file = files_of_name(name)
    yield card_file
    yield path
    yield path.with_suffix(WEIGHTS)


def unknown(name: str) -> OptionError:
    """Return the error for a name that the store doesn't have."""
    there = listed(name, names(), "sr4k model list") if names() else "None has been added"
    return OptionError(f"There is no network '{name}' of yours. {there}.")


def listed(name: str, known: Sequence[str], command: str) -> str:
    """Return what there is in place of a name that is unknown: all names, or of many the nearest.

    Args:
        name: that is unknown.
        known: names that there are.
        command: prints them all.
    """
    if len(known) <= _FEW:
        return f"Known: {', '.join(known)}"
    near = ", ".join(get_close_matches(name, known))
    return f"The nearest: {near}; {command} lists all" if near else f"{command} lists all"
