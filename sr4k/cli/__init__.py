"""The command line. Spawned workers import the entry point again, so it imports nothing until it is called."""


def main() -> None:
    """Entry point of ``sr4k``."""
    from sr4k.cli.main import app

    app()


def stream_main() -> None:
    """Entry point of ``sr4k-stream``."""
    from sr4k.cli.main import stream_app

    stream_app()
