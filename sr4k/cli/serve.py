"""``sr4k serve``: several live channels in one service."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from sr4k.channels import ChannelPlan, Runner, load_service, plan, run_channels, variables
from sr4k.cli.operation import operated
from sr4k.cli.outcome import told_in_one_line
from sr4k.cli.signals import counted_signals
from sr4k.live_job import LiveJob
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
        plans = plan(service, file.parent)
        for channel in plans:
            redaction.hide(channel.source, *channel.targets)
        for name in variables(service):
            os.environ.pop(name, None)  # no process of ours is to inherit it
        runners = {channel.name: _runner(channel) for channel in plans}
        if check:
            typer.echo(f"{file} is right. Channels: {', '.join(runners)}.")
            return
        monitors = [ChannelMonitor(channel.name) for channel in plans]
        level = logging.DEBUG if verbose else logging.INFO
        with (
            counted_signals() as signals,
            operated(monitors, redaction, metrics=service.metrics, log_format=service.log_format, level=level) as queue,
        ):
            drained = run_channels(runners, monitors, stop_requests=lambda: len(signals), log_queue=queue)
        raise typer.Exit(0 if drained else 128 + signals[0])


def _runner(channel: ChannelPlan) -> Runner:
    return LiveJob(channel.source, channel.targets, channel.preset, channel.size, channel.sound)
