"""Options of ``sr4k-stream`` that are for files alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sr4k.cli.cluster_options import ClusterOptions
from sr4k.cli.progress import parse_progress, refuse_on_stdout
from sr4k.cli.standard_streams import STDIN, STDOUT, closed
from sr4k.cli.stream_options import AUTO, FIRST
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.jobs.pipes import DASH, is_pipe, path_or_dash
from sr4k.media.options import Deinterlace
from sr4k.quality import CompareLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Options that are for files alone, as they were typed.

    Attributes:
        speed: value of ``--preset``. With a picture or raw video as the target it is refused here, but ignored in a
            preset file.
        form: value of ``-f``.
        is_auto: whether ``--model`` is ``auto``.
    """

    speed: str | None
    form: str | None
    deinterlace: Deinterlace
    preview: str | None
    track: str
    rate: str | None
    target_fps: str | None
    is_auto: bool
    at_once: int | None
    recursive: bool
    overwrite: bool
    skip_existing: bool
    resume: bool
    strict: bool
    compare: Sequence[Path]
    compare_layout: CompareLayout
    dry_run: bool
    progress: str
    cluster: ClusterOptions

    def refuse_for_live(self, addresses: Sequence[str]) -> None:
        """Refuse options of files for a live stream.

        Args:
            addresses: sources and targets, as they were typed.

        Raises:
            OptionError: one of them was given; names it and its kind.
        """
        of_files = {
            "--at-once": self.at_once is not None,
            "--preview": self.preview is not None,
            "--compare": bool(self.compare),
            "--dry-run": self.dry_run,
            "--resume": self.resume,
            "--strict": self.strict,
            "--overwrite": self.overwrite,
        }
        _refuse(of_files, "for files, not for a live stream")
        if self.form is not None or "-" in addresses:
            raise OptionError("- and -f are for files, not for a live stream: name a file or an address.")
        if self.cluster.where is not None:
            raise OptionError(
                "--cluster is for files: a live stream is made by one machine. Leave the cluster out, or name as OUT a "
                "file or an s3:// address."
            )
        self.cluster.check()
        _refuse({"--recursive": self.recursive, "--skip-existing": self.skip_existing}, "for folders of videos")
        if self.progress != AUTO:
            raise OptionError(
                "--progress is for files, because a live stream has no end: leave it out. For programs that read the "
                "log there is --log-format json."
            )
        if self.target_fps is not None:
            raise OptionError(
                "--target-fps is for files: leave it out. A live stream uses a smaller network by itself if it has to."
            )
        of_tracks = {
            "--map": self.track != FIRST,
            "--deinterlace": self.deinterlace != "auto",
            "--rate": self.rate is not None,
        }
        note = " A live stream's first video is used, and interlaced video gives one frame for every two fields."
        _refuse(of_tracks, "for files", note)

    def refuse_for_pipes(self, sources: Sequence[str], target: str, *, as_json: bool) -> None:
        """Refuse what needs names, or reads a source twice, for pipes.

        Args:
            sources: sources, as they were typed.
            target: target, as it was typed.
            as_json: whether a summary is to be printed.

        Raises:
            OptionError: there is such an option, or one name too many.
            InputError: standard input is closed.
            OutputError: standard output is closed.
        """
        paths, out = [path_or_dash(text) for text in sources], path_or_dash(target)
        if out != DASH and not any(map(is_pipe, paths)):
            return
        if out == DASH and STDOUT in closed:
            raise OutputError("Standard output is closed: pipe it to a program, or name a file.")
        if DASH in paths and STDIN in closed:
            raise InputError("Standard input is closed: pipe a video into it, or name a file.")
        if len(paths) > 1:
            raise OptionError("A pipe holds one video: name one IN and one OUT.")
        if out == DASH and paths[0].is_dir():
            raise OptionError(f"A pipe holds one video, and {paths[0]} is a folder: name one of its videos.")
        if target.endswith("/") or out.is_dir():
            raise OptionError(f"A pipe has no name to give a file in {target}: name the file.")
        of_files = {
            "--compare": bool(self.compare),
            "--dry-run": self.dry_run,
            "--skip-existing": self.skip_existing,
            "--recursive": self.recursive,
        }
        _refuse(of_files, "for files, not for pipes")
        if out == DASH and as_json:
            raise OptionError("--json would print to standard output, where the video goes: use --progress json.")
        if out == DASH:
            refuse_on_stdout(self.progress, parse_progress(self.progress), "the video")


def _refuse(options: Mapping[str, bool], kind: str, note: str = "") -> None:
    """Refuse those options that were given.

    Args:
        options: whether each was given, by its name.
        kind: what they are for.
        note: a sentence for the end of the message, after a space.

    Raises:
        OptionError: one of them was given.
    """
    given = [name for name, is_given in options.items() if is_given]
    if len(given) == 1:
        raise OptionError(f"{given[0]} is {kind}: leave it out.{note}")
    if given:
        raise OptionError(f"{', '.join(given[:-1])} and {given[-1]} are {kind}: leave them out.{note}")
