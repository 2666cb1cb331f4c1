"""The command line. Spawned workers import the entry point again, so it imports nothing until it is called.

What it was called with may hold stream keys, and stands in ``ps`` until it is hidden: that comes before all that takes
long to import.
"""


def main() -> None:
    """Entry point of ``sr4k``."""
    _run("app")


def stream_main() -> None:
    """Entry point of ``sr4k-stream``."""
    _run("stream_app")


def _run(name: str) -> None:
    import sys
    from importlib import import_module

    from sr4k.cli.signals import exit_at_once
    from sr4k.cli.standard_streams import open_closed_ones

    open_closed_ones()
    exit_at_once()
    try:
        from sr4k.service.redaction import hide_command_line

        hide_command_line()
        app = getattr(import_module("sr4k.cli.main"), name)
    except (ImportError, MemoryError, OSError) as err:
        from sr4k.common.system_errors import refusal

        refused = refusal(err)
        if refused is None:
            raise
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(refused.exit_code)
    app()
