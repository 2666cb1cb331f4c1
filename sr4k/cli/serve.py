"""``sr4k serve``: several live channels in one service."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from sr4k.channels import load_service, plan, run_channels, variables
from sr4k.cli.operation import operated
from sr4k.cli.outcome import told_in_one_line
from sr4k.cli.signals import Impatient, counted_signals
from sr4k.live_status import ChannelMonitor


def serve(
    file: Annotated[Path, typer.Argument(help="A YAML file of channels.", metavar="CHANNELS.YAML")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file is right.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and show tracebacks.")] = False,
) -> None:
    """Run live channels, each in processes of its own; one that fails is started again, and the others go on.

    SIGTERM or Ctrl-C ends all, with what is under way sent out; a second one stops at once.

    Exit codes: 0 ended, 130 or 143 stopped at once by a signal, 2 the file is wrong.
    """
    with told_in_one_line(verbose=verbose) as redaction:
        service = load_service(file)
        jobs = plan(service, file.parent, os.environ)
        for job in jobs.values():
            redaction.hide(job.source, *job.targets)
        for name in variables(service):
            os.environ.pop(name, None)  # no process of ours is to inherit it
        if check:
            typer.echo(f"{file} is right. Channels: {', '.join(jobs)}.")
            return
        monitors = [ChannelMonitor(name) for name in jobs]
        level = logging.DEBUG if verbose else logging.INFO
        with (
            counted_signals() as signals,
            operated(monitors, redaction, metrics=service.metrics, log_format=service.log_format, level=level),
        ):
            stop_requests = Impatient(signals)
            run_channels(jobs, monitors, stop_requests=stop_requests)
        raise typer.Exit(128 + signals[0] if stop_requests() > 1 else 0)
