"""Check a target before anything is sent to it."""

import os
from pathlib import Path

from sr4k.errors import OutputError
from sr4k.live.address import Address
from sr4k.live.proxy import check_proxy
from sr4k.live.srt import require_srt, secrets_of
from sr4k.live.tls import is_secure, tls_options


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
        raise OutputError(f"The folder {folder} can't be created: {err.strerror}. Choose another.") from err
    if not os.access(target.path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder {folder} isn't writable: give this user write permission.")
