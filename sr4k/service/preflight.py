"""Check before channels are run what would fail: folders, ports, models, engines, encoders, slates."""

import json
import multiprocessing
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sr4k.errors import Sr4kError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.model_choice import engines_of
from sr4k.live.address import Address
from sr4k.live.send.check_target import check_stream
from sr4k.live.srt import require_srt, secrets_of
from sr4k.live.tls import is_secure, tls_options
from sr4k.media.paths import check_file
from sr4k.pipeline.starting import start_process
from sr4k.service.endpoint import parse_address
from sr4k.service.redaction import without_passwords

_PATIENCE = 60.0
"""Timeout in seconds for trying a channel's engine, encoder and slate."""


def troubles(jobs: Mapping[str, LiveJob]) -> list[str]:
    """Return a sentence, with the channel's name, for each problem that would keep a channel from working."""
    found = [(name, text) for name, job in jobs.items() for text in _outside(job)]
    return [f"channels.{name}: {without_passwords(text)}" for name, text in [*found, *_tried(jobs)]]


def troubles_of_ports(metrics: str | None, jobs: Mapping[str, LiveJob]) -> tuple[list[str], bool]:
    """Return a sentence for each port in use, and whether another `sr4k serve` answers on that of ``metrics``.

    That may be the service that already runs this file, which then holds the other ports as well.
    """
    found = []
    if metrics is not None and (reason := _port_trouble(*parse_address(metrics), socket.SOCK_STREAM)):
        found.append(f"metrics: can't listen on {metrics}: {reason}.")
    is_running = bool(found) and metrics is not None and _is_ours(*parse_address(metrics))
    for name, job in jobs.items():
        where = _listens_on(job.source)
        if where is not None and (reason := _port_trouble(*where, socket.SOCK_DGRAM)):
            found.append(f"channels.{name}: can't listen on {job.source}: {reason}.")
    return found, is_running


def _outside(job: LiveJob) -> Iterator[str]:
    """Yield problems that can be found without loading a video or network library."""
    for target in job.targets:
        if target.kind in ("file", "hls") and (reason := _folder_trouble(target.path.absolute())) is not None:
            yield f"{target} can't be written: {reason}."
    try:
        if job.source.kind == "file":
            check_file(job.source.path, str(job.source))
    except Sr4kError as err:
        yield str(err)
    try:
        if job.source.kind == "srt":
            require_srt()
        for target in job.targets:
            if target.kind == "srt":
                require_srt(with_secrets=bool(secrets_of(target)))
        engines_of(job.preset.engine)
    except Sr4kError as err:
        yield str(err)
    for target in job.targets:
        try:
            check_stream(target, job.preset.codec, job.preset.encode.options)
        except Sr4kError as err:
            yield str(err)
    try:
        for address in filter(is_secure, (job.source, *job.targets)):
            tls_options(address)
    except Sr4kError as err:
        yield str(err)


def _folder_trouble(path: Path) -> str | None:
    """Return why no file can be created at ``path``, or ``None``; missing folders will be created later."""
    if path.is_dir():
        return "it is a folder"
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} isn't a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):  # without a name, where the file system supports O_TMPFILE
            return None
    except OSError as err:
        return f"nothing can be written in {folder} ({err.strerror})"


def _listens_on(source: Address) -> tuple[str, int] | None:
    """Return host and port that a source listens on, if it listens and can't share the port."""
    if source.kind not in ("udp", "srt"):
        return None
    parts = urlsplit(source.url)
    is_shared = "reuse" in parse_qs(parts.query, keep_blank_values=True) or _is_multicast(parts.hostname or "")
    is_caller = source.kind == "srt" and parse_qs(parts.query).get("mode") != ["listener"]
    return None if parts.port is None or is_shared or is_caller else ((parts.hostname or "").lstrip("@"), parts.port)


def _is_multicast(host: str) -> bool:
    first = host.lstrip("@").partition(".")[0]
    return host.lower().startswith("ff") or (first.isdecimal() and 224 <= int(first) < 240)


def _port_trouble(host: str, port: int, kind: int) -> str | None:
    """Return why the port can't be listened on, or ``None``."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host or None, port, type=kind, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family if host else socket.AF_INET, kind) as tried:
            if kind == socket.SOCK_STREAM:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the endpoint does
            tried.bind(where if host else ("", port))
    except OSError as err:
        return err.strerror or str(err)
    return None


def _is_ours(host: str, port: int) -> bool:
    with closing(HTTPConnection(host or "127.0.0.1", port, timeout=3)) as connection:
        try:
            connection.request("GET", "/health")
            return bool(json.loads(connection.getresponse().read(64)) == {"ok": True})
        except (OSError, HTTPException, ValueError):
            return False


def _tried(jobs: Mapping[str, LiveJob]) -> Iterator[tuple[str, str]]:
    """Yield (channel, problem) found by loading libraries, in a process of its own, which a driver may crash."""
    for name, job in jobs.items():
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = start_process("sr4k-check", _try_parts, job, theirs)
        theirs.close()
        try:
            answered = ours.poll(_PATIENCE)
            yield from ((name, text) for text in (ours.recv() if answered else ["Its engine or encoder hangs."]))
        except EOFError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            code = process.returncode or 0
            cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            yield name, f"Its engine or encoder crashes the process ({cause})."
        finally:
            process.kill()
            process.wait()
            ours.close()


def _try_parts(job: LiveJob, answers: Connection) -> None:
    from sr4k.service.preflight_parts import troubles_of_parts  # imports codecs and networks, which only this needs

    answers.send(list(troubles_of_parts(job)))
