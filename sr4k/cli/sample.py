"""``sr4k sample``: makes a clip to try the upscaler on."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from sr4k.cli.local_paths import check_local
from sr4k.cli.one_line_errors import errors_in_one_line, say


def sample(
    target: Annotated[Path, typer.Argument(help="Clip to write, such as clip.mp4.", metavar="OUT")],
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Length of the clip, in seconds.")] = 3.0,
    size: Annotated[str, typer.Option(help="Size of the clip, WIDTHxHEIGHT in pixels.")] = "960x540",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an OUT that exists.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")] = False,
) -> None:
    """Make a short clip with moving patterns and sound, to try the upscaler on."""
    with errors_in_one_line(verbose=verbose):
        from sr4k.jobs.parse import parse_sides
        from sr4k.media.writing.target_file import already_there

        check_local(target)
        if target.exists() and not overwrite:
            raise already_there(target)
        from sr4k.sample import write_sample  # codecs: only when needed

        write_sample(target, seconds=seconds, size=parse_sides(size))
        name = shlex.quote(f"./{target}" if str(target).startswith("-") else str(target))
        say(f"{target} is ready. Upscale it:  sr4k-stream {name} upscaled{target.suffix}", err=True)
