"""The command line. Spawned workers import the entry point again, so it imports nothing until it is called.

What it was called with may hold stream keys, and stands in ``ps`` until it is hidden: that comes before all that takes
long to import.
"""


def main() -> None:
    """Entry point of ``sr4k``."""
    from sr4k.redaction import hide_command_line

    hide_command_line()
    from sr4k.cli.main import app

    app()


def stream_main() -> None:
    """Entry point of ``sr4k-stream``."""
    from sr4k.redaction import hide_command_line

    hide_command_line()
    from sr4k.cli.main import stream_app

    stream_app()
