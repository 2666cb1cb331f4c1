"""The live half of ``sr4k-stream``: one channel, until it is told to stop."""

import json
import logging
import sys
import time
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sr4k.cli.outcome import log_handler
from sr4k.cli.signals import counted_signals
from sr4k.configs import Preset
from sr4k.errors import OptionError
from sr4k.job import Size
from sr4k.live.address import parse_source, parse_target
from sr4k.live_job import LiveJob, LiveSummary
from sr4k.logs import collected_logs
from sr4k.pipeline import WorkerStatus

_LINE_EVERY = 10.0
"""Seconds between two plain lines."""

_WINDOW = 5.0
"""Seconds over which speed is averaged."""


def refuse_for_live(**options: object) -> None:
    """Options that mean nothing to a live stream must not pass in silence.

    Raises:
        OptionError: one was given.
    """
    for name, value in options.items():
        if value is not None:
            hint = "use --bitrate" if name == "crf" else "leave it out"
            raise OptionError(f"--{name.replace('_', '-')} is of no use to a live stream: {hint}.")


def run_live(
    source: str,
    targets: Sequence[str],
    preset: Preset,
    *,
    size: Size | None,
    sound: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Run one channel to its end.

    Raises:
        Sr4kError: what can't go well however often it is tried.
    """
    job = LiveJob(parse_source(source), tuple(parse_target(target) for target in targets), preset, size, sound)
    level = logging.DEBUG if verbose else logging.INFO
    with collected_logs(log_handler(), level) as queue, counted_signals() as signals, _Status(quiet=quiet) as shown:
        summary = job.run(on_status=shown, stop_requests=lambda: len(signals), log_queue=queue)
    if as_json:
        typer.echo(json.dumps(summary.as_dict(), indent=2))
    elif not quiet:
        typer.echo(_in_words(summary), err=True)


def _in_words(summary: LiveSummary) -> str:
    intake, playout = summary.intake, summary.playout
    lost = sum(intake.get("dropped", {}).values())
    return (
        f"{playout.get('frames', 0)} pictures out in {summary.seconds:.0f} s, {playout.get('repeated', 0)} of them "
        f"repeated; {intake.get('frames', 0)} in, {lost} left out; {intake.get('connects', 0)} connections"
    )


class _Status:
    """How a channel goes, in one line."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = Live(console=Console(stderr=True), transient=True) if sys.stderr.isatty() and not quiet else None
        self._next = time.monotonic() + _LINE_EVERY
        self._samples: list[tuple[float, int]] = []

    def __enter__(self) -> "_Status":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, statuses: dict[str, WorkerStatus]) -> None:
        now = time.monotonic()
        text = self._text(statuses, now)
        if self._live is not None:
            self._live.update(Text(text))
        elif not self._quiet and now >= self._next:
            self._next = now + _LINE_EVERY
            print(text, file=sys.stderr, flush=True)

    def _text(self, statuses: dict[str, WorkerStatus], now: float) -> str:
        reports = {name: report for status in statuses.values() for name, report in status.reports.items()}
        intake, playout = reports.get("intake", {}), reports.get("playout", {})
        self._samples.append((now, playout.get("frames", 0)))
        self._samples = [sample for sample in self._samples if now - sample[0] <= _WINDOW]
        (then, before), (_, frames) = self._samples[0], self._samples[-1]
        parts = [
            f"in: {intake.get('state', 'starting')}",
            f"{(frames - before) / (now - then) if now > then else 0.0:.1f} fps",
        ]
        if latency := playout.get("latency"):
            parts.append(f"{1000 * latency['median']:.0f} ms")
        if intake.get("rung"):
            parts.append(intake["rung_name"])
        parts += [f"{outlet['target']}: {outlet['state']}" for outlet in playout.get("outlets", [])]
        return "  ".join(parts)
