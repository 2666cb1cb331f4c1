"""Sets up what commands that run for weeks share: logs, an HTTP endpoint, and redaction of secrets."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import typer

from sr4k.cli.one_line_errors import log_handler, verdict
from sr4k.cli.signals import Interrupted
from sr4k.common.logs import LogFormat, collected_logs
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.endpoint import serve_http
from sr4k.service.reaper import orphans_reaped
from sr4k.service.redaction import Redaction
from sr4k.service.stderr_lines import stray_lines

log = logging.getLogger(__name__)


@contextmanager
def long_running(
    channels: Sequence[ChannelMonitor],
    redaction: Redaction,
    *,
    metrics: str | None = None,
    log_format: LogFormat = "text",
    level: int = logging.INFO,
) -> Iterator[None]:
    """Log to stderr, serve metrics and health if ``metrics`` is given, redact secrets in both, and reap orphans.

    Args:
        redaction: knows all addresses already.
        metrics: address to listen on, as for `sr4k.service.endpoint.serve_http`.

    Raises:
        OptionError: ``metrics`` can't be listened on.
    """
    with ExitStack() as stack:
        stack.enter_context(orphans_reaped())
        give_back_stderr = stack.enter_context(stray_lines())
        handler = log_handler(log_format, timed=True)
        handler.addFilter(redaction)
        stack.enter_context(collected_logs(handler, level))
        stack.callback(give_back_stderr)  # while there is a log for what is still in the pipe
        if log_format == "json":
            stack.enter_context(_end_logged(level))
        if metrics is not None:
            port = stack.enter_context(serve_http(metrics, channels, redaction))
            log.info("Metrics and health on port %d: /metrics, /health, /ready", port)
        yield


@contextmanager
def _end_logged(level: int) -> Iterator[None]:
    """Log the end of a command as a record, in place of the plain line on stderr."""
    try:
        yield
    except typer.Exit:
        raise
    except (Interrupted, Exception) as err:
        end = verdict(err)
        extra = {"event": "failed" if end.is_error else "ended", "reason": end.text}
        log.log(
            logging.ERROR if end.is_error else logging.INFO,
            "%s",
            end.text,
            extra=extra,
            exc_info=level <= logging.DEBUG and end.is_error,
        )
        raise typer.Exit(end.code) from err
