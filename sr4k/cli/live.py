"""``sr4k-stream`` on a live stream: runs one channel until it is stopped."""

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sr4k.cli.live_options import LiveOptions
from sr4k.cli.long_running import long_running
from sr4k.cli.one_line_errors import say
from sr4k.cli.shared_options import SharedOptions
from sr4k.cli.signals import counted_signals
from sr4k.common.json_text import json_text
from sr4k.common.printable import printable
from sr4k.configs import Preset
from sr4k.errors import OutputError
from sr4k.jobs.live_job import LiveJob
from sr4k.jobs.setting_errors import errors_by_option
from sr4k.jobs.summary import LiveSummary
from sr4k.live.address import parse_source, parse_target
from sr4k.live.channel_reports import IntakeReport, PlayoutReport, TargetReport
from sr4k.live.rate import Rate
from sr4k.pipeline import WorkerStatus
from sr4k.service.channel_status import ChannelMonitor

log = logging.getLogger(__name__)

_LINE_EVERY = 10.0
"""Seconds between two status lines where stderr is not a terminal."""


def run_live(
    source: str,
    targets: Sequence[str],
    preset: Preset,
    options: LiveOptions,
    shared: SharedOptions,
) -> None:
    """Run one channel to its end.

    Raises:
        Sr4kError: the channel failed in a way that no retry can mend, or no target was ever reached.
    """
    log_format = options.log_format
    addresses = parse_source(source), *(parse_target(target) for target in targets)
    shared.redaction.hide(*addresses)
    with errors_by_option():
        job = LiveJob(addresses[0], addresses[1:], preset=preset, size=shared.size, sound=options.sound)
    monitor = ChannelMonitor("live", [str(target) for target in job.targets])
    level = logging.DEBUG if shared.verbose else logging.WARNING if shared.quiet else logging.INFO
    with (
        counted_signals() as signals,
        long_running([monitor], shared.redaction, metrics=options.metrics, log_format=log_format, level=level),
        _Status(monitor, quiet=shared.quiet or log_format == "json") as shown,
        monitor.running(),
    ):
        summary = job.run(
            on_status=shown,
            stop_requests=lambda: len(signals),
            on_failure=monitor.failed,
            on_restart=monitor.restarted,
        )
        if log_format == "json":
            log.info("%s", _summary_line(summary), extra={"event": "ended"})
    if shared.as_json:
        typer.echo(json_text(summary.as_dict()))
    elif not shared.quiet and log_format == "text":
        say(_summary_line(summary), err=True)
    if not signals:
        _check_reached(summary)


def _check_reached(summary: LiveSummary) -> None:
    """Refuse a success that nobody saw.

    Raises:
        OutputError: no target was ever reached; names the first, and its last reason.
    """
    targets = () if summary.playout is None else summary.playout.targets
    if targets and not any(target.connects for target in targets):
        first, reason = targets[0], targets[0].reason or "it was not ready before the source ended"
        others = f", nor {len(targets) - 1} others" if len(targets) > 1 else ""
        raise OutputError(f"{first.target} was never reached{others}: {reason}.")


def _summary_line(summary: LiveSummary) -> str:
    intake, playout = summary.intake or IntakeReport(), summary.playout or PlayoutReport()
    dropped = sum(intake.dropped.values())
    restarted = f"; {summary.restarts} restarts, counts are since the last" if summary.restarts else ""
    unreached = [target for target in playout.targets if not target.connects]
    is_sent = len(unreached) < len(playout.targets) or not playout.targets
    return (
        f"{playout.frames} frames {'sent' if is_sent else 'encoded'} in {summary.seconds:.0f} s, "
        f"{playout.repeated} of them repeated; {intake.frames} received, {dropped} dropped; "
        f"{intake.connects} connections{restarted}{_unreached(unreached, is_sent=is_sent)}"
    )


def _unreached(targets: Sequence[TargetReport], *, is_sent: bool) -> str:
    """Return the end of the summary that says which targets no frame has arrived at; empty if there are none."""
    if not targets:
        return ""
    told = ", ".join(f"{each.target} ({each.reason or 'not ready before the end'})" for each in targets)
    return f"; never reached: {told}" if is_sent else f"; none of them arrived, for nothing was reached: {told}"


class _Status:
    """Shows the state of a channel in one line, and passes the workers' statuses to its monitor."""

    def __init__(self, monitor: ChannelMonitor, *, quiet: bool) -> None:
        self._monitor, self._quiet = monitor, quiet
        self._live = Live(console=Console(stderr=True), transient=True) if sys.stderr.isatty() and not quiet else None
        self._next = time.monotonic() + _LINE_EVERY
        self._rate, self._fps = Rate(), 0.0

    def __enter__(self) -> "_Status":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()

    def __call__(self, statuses: dict[str, WorkerStatus]) -> None:
        self._monitor.update(statuses)
        graph = self._monitor.status.graph
        self._fps = 0.0 if graph is None else self._rate.of(graph.playout.frames)
        with suppress(OSError):  # the channel ends in order even if the terminal is gone
            self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self._live is not None:
            self._live.update(Text(self._text()))
        elif not self._quiet and now >= self._next:
            self._next = now + _LINE_EVERY
            print(self._text(), file=sys.stderr, flush=True)

    def _text(self) -> str:
        status = self._monitor.status
        if status.graph is None:
            return "starting"
        intake, playout = status.graph.intake, status.graph.playout
        parts = [f"in: {intake.state}", f"{self._fps:.1f} fps"]
        if playout.latency:
            parts.append(f"{1000 * playout.latency['median']:.0f} ms")
        if intake.rung:
            parts.append(intake.rung_name)
        return printable("  ".join([*parts, *(f"{target.target}: {target.state}" for target in playout.targets)]))
