"""``sr4k serve``: runs live channels, and a queue of files with a page, in one service."""

from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli import stream_options as o
from sr4k.cli.one_line_errors import errors_in_one_line

_PAGE = "Page and queue (extra \\[web])"


def serve(
    file: Annotated[
        Path | None, typer.Argument(help="YAML file with live channels.", metavar="CHANNELS.YAML", show_default=False)
    ] = None,
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
    listen: Annotated[
        str | None,
        typer.Option(
            help="Address of the page and of the interface for programs. Others than 127.0.0.1 need a token: the "
            "environment variable SR4K_TOKEN, or --token-file. Default with --library: 127.0.0.1:8484.",
            metavar="HOST:PORT",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    library: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder whose videos the page shows and the queue may read and write; may be given several times.",
            metavar="FOLDER",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the queue. Default: ~/.local/state/sr4k-stream.",
            metavar="FOLDER",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that users sign in with; in a second line, one for users who may only look.",
            metavar="FILE",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            help="Further name by which browsers reach the service, such as that of a proxy, with which it needs a "
            "token; may be given several times.",
            metavar="NAME",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    cluster: o.Cluster = None,
    path_map: o.PathMap = None,
    cluster_cpus: o.ClusterCpus = None,
    cluster_without_token: o.WithoutToken = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more, and print tracebacks of errors.")] = False,
) -> None:
    """Run live channels, or a page with a queue of files, or both, until it is stopped.

    Each channel has its own processes: one that fails is restarted, and the others go on. With --listen or --library
    there are a page for browsers, an interface for programs, and a queue of files to upscale.

    SIGTERM or Ctrl-C ends all channels after sending the frames in progress; a second one stops at once. SIGHUP reads
    the file again: channels that did not change are not interrupted, and a file with an error changes nothing.

    Exit codes: 0 ended, 130 or 143 stopped at once by a signal, 2 the file has an error.
    """
    with errors_in_one_line(verbose=verbose) as redaction:
        from sr4k.cli.channels import run_channels
        from sr4k.cli.cluster_options import ClusterOptions
        from sr4k.errors import OptionError

        many = ClusterOptions(cluster, path_map or [], cluster_cpus, cluster_without_token)
        many.check()
        if listen is None and not library:
            if file is None:
                raise OptionError("Name a file with live channels, or a --library of videos for the page.")
            if state is not None or token_file is not None or host_name:
                raise OptionError("--state, --token-file and --host-name are for the page: add --listen or --library.")
            if cluster is not None:
                raise OptionError("--cluster makes what is in the queue: add --library.")
            run_channels(file, metrics, redaction, is_check=check, is_verbose=verbose)
            return
        if check and file is None:
            raise OptionError("--check is for files of live channels: name one.")
        from sr4k.cli.page import page_beside

        where = listen or "127.0.0.1:8484"
        beside = page_beside(where, library or [], state, token_file, host_name or [], redaction, many)
        run_channels(file, metrics, redaction, is_check=check, is_verbose=verbose, beside=beside)
