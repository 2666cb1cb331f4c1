"""``sr4k serve``: runs several live channels in one service."""

from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.one_line_errors import errors_in_one_line


def serve(
    file: Annotated[Path, typer.Argument(help="YAML file with the channels.", metavar="CHANNELS.YAML")],
    check: Annotated[
        bool,
        typer.Option("--check", help="Start nothing: check the file, and list what can't work on this machine."),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Address to serve /metrics, /health and /ready on, such as :9108. Default: the one in the file."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and print tracebacks of errors.")] = False,
) -> None:
    """Run live channels, each in its own processes: one that fails is restarted, and the others go on.

    SIGTERM or Ctrl-C ends all channels after sending the frames in progress; a second one stops at once. SIGHUP reads
    the file again: channels that did not change are not interrupted, and a file with an error changes nothing.

    Exit codes: 0 ended, 130 or 143 stopped at once by a signal, 2 the file has an error.
    """
    with errors_in_one_line(verbose=verbose) as redaction:
        from sr4k.cli.channels import run_channels

        run_channels(file, metrics, redaction, is_check=check, is_verbose=verbose)
