"""Probes of the doctor that raise, crash or hang."""

import os
import signal
import time
from collections.abc import Iterator

from sr4k.doctor import Finding


def _well() -> Iterator[Finding]:
    print("a library's own words {")
    yield Finding("first", "ok", "works", facts={"number": 1})


def _raises() -> Iterator[Finding]:
    raise RuntimeError("no\nluck")


def _crashes() -> Iterator[Finding]:
    os.kill(os.getpid(), signal.SIGSEGV)
    yield Finding("never", "ok", "works")


def _hangs() -> Iterator[Finding]:
    time.sleep(3600)
    yield Finding("never", "ok", "works")


RAISING = (_raises, _well)
CRASHING = (_well, _crashes)
HANGING = (_well, _hangs)
