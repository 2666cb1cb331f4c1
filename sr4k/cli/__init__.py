"""The command line. Spawned workers import the entry point again, so it imports nothing until it is called.

Arguments may hold stream keys, and ``ps`` shows them until they are hidden: this comes before all slow imports.
"""


def main() -> None:
    """Run ``sr4k``."""
    _run("sr4k.cli.main", "app")


def stream_main() -> None:
    """Run ``sr4k-stream``."""
    _run("sr4k.cli.stream_app", "stream_app")


def _run(module: str, name: str) -> None:
    import os
    import sys
    from importlib import import_module

    from sr4k.cli.signals import exit_at_once
    from sr4k.cli.standard_streams import STDOUT, leave_stdout, prepare_streams, reader_is_gone
    from sr4k.common.ending import end_soon
    from sr4k.errors import READER_GONE

    prepare_streams()
    exit_at_once()
    output = STDOUT
    try:
        from sr4k.service.redaction import hide_command_line

        hide_command_line()
        app = getattr(import_module(module), name)
        output = os.dup(STDOUT)  # Rich points stdout elsewhere when it can't print, and ends the command with 1
        app()
    except SystemExit as end:
        if end.code == 1 and reader_is_gone(output):
            sys.exit(READER_GONE)
        raise
    except (ImportError, MemoryError, OSError) as err:  # of imports, or of printing the help: commands handle theirs
        from sr4k.common.system_errors import refusal

        refused = refusal(err)
        if refused is None:
            raise
        leave_stdout()
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(refused.exit_code)
    finally:
        end_soon()
