"""Check a target before anything is sent to it."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sr4k.errors import OptionError, OutputError
from sr4k.live.address import Address
from sr4k.live.proxy import check_proxy
from sr4k.live.send.disk_causes import in_the_way
from sr4k.live.srt import require_srt, secrets_of
from sr4k.live.tls import is_secure, tls_options
from sr4k.media.options import Codec

_WITH_CERTIFICATES = 19
"""PyAV's major version from which on libav makes certificates for WHIP that servers accept: its FFmpeg is 9."""


def check_target(target: Address) -> None:
    """Check that this machine can serve the target, and create its folder if it is missing.

    Raises:
        OptionError: no ffmpeg with SRT, no certificate authorities, or an invalid proxy address.
        OutputError: the target's folder can't be created or written to.
    """
    if target.kind == "srt":
        require_srt(with_secrets=bool(secrets_of(target)))
    if is_secure(target):
        tls_options(target)
        check_proxy(target)
    if not target.is_local:
        return
    folder = Path(target.shown).parent
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        found = in_the_way(target)
        advice = f"{err.strerror}. Choose" if found is None else f"{found}. Remove it, or choose"
        raise OutputError(f"The folder {folder} can't be created: {advice} another.") from err
    if not os.access(target.path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {folder} isn't writable: give this user write permission.")


def check_stream(target: Address, codec: Codec, options: Mapping[str, str]) -> None:
    """Check that a target can carry what will be encoded, and that what it needs for that is installed.

    Args:
        target: the target.
        codec: codec of the video.
        options: options of its encoder, by libav's names.

    Raises:
        OptionError: it can't.
    """
    if target.kind != "whip":
        return
    if codec != "h264":
        raise OptionError(f"{target} is a WHIP target, which carries H.264 alone: choose the codec h264, not {codec}.")
    if options.get("bf", "0") != "0":
        raise OptionError(f"{target} is a WHIP target, which can't carry B-frames: leave out the encoder's option bf.")
    if lacks_cryptography():
        raise OptionError("WHIP needs the package cryptography: pip install 'sr4k-stream[whip]'.")


def lacks_certificates() -> bool:
    """Whether the installed PyAV's libav makes no certificates for WHIP that servers accept."""
    return int(version("av").partition(".")[0]) < _WITH_CERTIFICATES


def lacks_cryptography() -> bool:
    """Whether the package that then makes certificates for WHIP is missing."""
    return lacks_certificates() and find_spec("cryptography") is None
