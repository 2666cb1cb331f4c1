"""Detects files that are cut off, by the sizes in their own structure, without reading them through."""

import os
import struct
from pathlib import Path

from sr4k.media.remote_path import RemotePath

_HEAD = 1 << 16
"""Bytes at the beginning that contain ASF's file properties object."""

_EBML, SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_FILE_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_FLV_TAG = 11
"""Size of the header before a tag's data, in bytes."""


def is_cut_off(path: Path, container: str) -> bool | None:
    """Return whether the end of a file is missing; ``None`` if that can't be determined.

    Args:
        path: the file.
        container: libav's name of its demuxer.

    Raises:
        OSError: the file can't be read.
    """
    if not is_regular(path):
        return None
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEAD)
        if container == "flv":
            file.seek(max(0, size - 4))
            last = int.from_bytes(file.read(4), "big")
            file.seek(max(0, size - 4 - last))
            return ends_in_tag(file.read(4), last, size)
    promised = promised_size(head, container)
    return None if promised is None else size < promised


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file; a remote one is, and is not asked for."""
    return isinstance(path, RemotePath) or path.is_file()


def ends_in_tag(begin: bytes, last: int, size: int) -> bool:
    """Return whether FLV ends in the middle of a tag.

    Args:
        begin: first 4 bytes of the last tag, if there is one.
        last: size of that tag with its header, which the last 4 bytes of the file tell.
        size: size of the file.
    """
    return not _FLV_TAG <= last <= size - 4 or int.from_bytes(begin[1:], "big") + _FLV_TAG != last


def promised_size(head: bytes, container: str) -> int | None:
    """Return the size of a file in bytes by its own beginning; ``None`` if that doesn't tell."""
    return {"matroska,webm": _matroska, "asf": _asf}.get(container, _untold)(head)


def _untold(head: bytes) -> int | None:  # noqa: ARG001
    return None


def _matroska(head: bytes) -> int | None:
    """Return the end of the Segment, which follows the EBML header (RFC 8794), in bytes; ``None`` if unknown."""
    if not head.startswith(_EBML):
        return None
    size, at = element_size(head, len(_EBML))
    if size is None or head[at + size : at + size + 4] != SEGMENT:
        return None
    length, begin = element_size(head, at + size + 4)
    return None if length is None else begin + length


def element_size(data: bytes, at: int) -> tuple[int | None, int]:
    """Parse the size of an element of Matroska, a variable-size integer.

    Returns:
        It, ``None`` if all bits are set (unknown), and the position after it.
    """
    if at >= len(data) or not data[at]:
        return None, at
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), at + length


def _asf(head: bytes) -> int | None:
    """Return the file size from ASF's file properties object: it follows GUID, object size and file ID."""
    at = head.find(_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 48:
        return None
    size: int = struct.unpack_from("<Q", head, at + 40)[0]
    return size or None
