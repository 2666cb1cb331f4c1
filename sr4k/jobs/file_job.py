"""A job on files: checks its options, builds and runs its graph, and summarises the result."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import KW_ONLY, InitVar, dataclass, fields, replace
from fractions import Fraction
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, get_args

from sr4k.common.picture_suffixes import DEEP
from sr4k.configs import Preset
from sr4k.errors import FieldError, InputError, OptionError, StoppedError, WorkerError
from sr4k.jobs.fields import (
    Field,
    GivenPreset,
    check_cpus,
    check_switches,
    part_or_text,
    preset_or_text,
    rate_or_text,
    track_or_text,
)
from sr4k.jobs.file_progress import Gauge, Progress
from sr4k.jobs.graph import assembled, run_assembled
from sr4k.jobs.keywords import PRESET_KEYWORDS, PresetKeywords
from sr4k.jobs.model_choice import engines_of, hashes, scale_of
from sr4k.jobs.pipes import DASH, file_or_dash, is_pipe, opened_source, reserved_output, shown
from sr4k.jobs.result_size import GivenSize, Scaling, check_for_video, result_size, size_as_given
from sr4k.jobs.running import Impatient, Startable
from sr4k.jobs.sinks import in_segments, one_segment, pictures, raw, straight
from sr4k.jobs.summary import Summary, summarised
from sr4k.media.image_names import is_picture, is_sequence
from sr4k.media.options import FIRST_VIDEO, Deinterlace, ResultSize, TimeSpan, VideoChoice
from sr4k.media.reports import ENCODE, EncodeReport
from sr4k.media.resume.job_folder import Parts, claimed, fingerprint, flat
from sr4k.media.writing.codec_choice import check_container, chosen_codec
from sr4k.media.writing.containers import CONTAINERS, PIPED, RAW, piped_format
from sr4k.media.writing.encoder_limits import takes_preset
from sr4k.media.writing.encoder_table import RATE_CONTROL
from sr4k.media.writing.made_folder import folder_made
from sr4k.media.writing.pipe_writer import STANDARD_OUTPUT
from sr4k.media.writing.target_file import appeared, check_regular, check_target, free_partial_of, place, unfinished
from sr4k.media.writing.write_errors import FullDiskError
from sr4k.models.architecture import Pixels
from sr4k.pipeline import GraphSpec, Outcome, StageSpec, WorkerDied, WorkerStatus, report_of
from sr4k.stages.settings import ConvertSettings, DecodeSettings

log = logging.getLogger(__name__)

NO_FACTS = {
    "source",  # its bytes are, instead of its path
    "target",
    "preset",  # its sections are, without the keys that affect only speed
    "overwrite",
    "cpus",
    "resume",
    "strict",
    "format",  # of a pipe, which can't be resumed
    *PRESET_KEYWORDS,  # preset and size have their values
}
"""Fields of a job that are not part of `Job.facts`, because the result does not depend on their value."""


@dataclass(frozen=True)
class Job(PresetKeywords, Startable[Progress, Summary]):
    """A job on files: one source, one target, one preset.

    Fields that accept text hold the parsed value afterwards. ``preset`` holds the values of the keywords that set its
    keys; see `sr4k.jobs.keywords.PresetKeywords`.

    Attributes:
        source: path of a video file, picture, image sequence or named pipe; text is accepted. ``-``: standard input.
        target: path of the result; text is accepted. Its suffix chooses the container. ``-``: standard output, to
            which nothing else is printed meanwhile.
        preset: see `sr4k.configs`; the name of a preset or the path of its file is accepted: ``-c`` of the command.
        size: size of the result: a box that it has to fit into, (width, height) in pixels, or a `sr4k.Scale`; text as
            for `sr4k.jobs.parse.parse_size` is accepted. ``None``: that which the network makes, which is
            twice the source's with those that ship.
        scale: the same as a factor, such as 3, or as text; it becomes the size.
        overwrite: whether an existing target may be replaced.
        cpus: number of CPUs to plan for; ``None``: all that are granted.
        part: part of the source to upscale; text as for `sr4k.jobs.parse.parse_part` is accepted. ``None``: all of it.
        deinterlace: how to handle interlaced frames. ``auto``: one frame for each; ``double``: one for each field;
            ``off``: they stay as they are.
        resume: whether to continue an earlier run of the same job, if there is one.
        strict: whether the first decode loss ends the job with an error.
        track: which video track of the source to upscale: its number, from 0; text as for `sr4k.jobs.parse.parse_track`
            is accepted.
        rate: frames per second of an image sequence, ``None``: 25; or of raw video, for which frames are repeated and
            dropped, ``None``: the source's, which must be constant. Text such as ``30000/1001`` is accepted.
        format: libav's name of the format for standard output; ``None``: ``matroska``.

    Raises:
        OptionError: the preset, the size or another value is invalid.
        FieldError: fields contradict each other, or the target can't be written with these encoder options.
    """

    source: Field[str | os.PathLike[str], Path] = Field(file_or_dash)  # noqa: RUF009 - a descriptor
    target: Field[str | os.PathLike[str], Path] = Field(file_or_dash)  # noqa: RUF009 - a descriptor
    _: KW_ONLY
    preset: Field[GivenPreset, Preset] = Field(preset_or_text, "file")  # noqa: RUF009 - a descriptor
    size: Field[GivenSize, ResultSize] = Field(size_as_given, None)  # noqa: RUF009 - a descriptor
    scale: InitVar[Scaling] = None
    overwrite: bool = False
    cpus: int | None = None
    part: Field[TimeSpan | str | None, TimeSpan | None] = Field(part_or_text, None)  # noqa: RUF009 - a descriptor
    deinterlace: Deinterlace = "auto"
    resume: bool = False
    strict: bool = False
    track: Field[VideoChoice | int | str, VideoChoice] = Field(track_or_text, FIRST_VIDEO)  # noqa: RUF009 - a descriptor
    rate: Field[Fraction | float | str | None, Fraction | None] = Field(rate_or_text, None)  # noqa: RUF009
    format: str | None = None

    def __post_init__(self, scale: Scaling) -> None:
        """Check the fields; for what it raises see the class."""
        object.__setattr__(self, "preset", self.over(self.preset))
        object.__setattr__(self, "size", result_size(self.size, scale, self.fit, usual=scale_of(self.preset.engine)))
        if self.deinterlace not in get_args(Deinterlace):
            raise OptionError(f"deinterlace can't be '{self.deinterlace}': use {', '.join(get_args(Deinterlace))}.")
        check_cpus(self.cpus)
        check_switches(self, "overwrite", "resume", "strict")
        if self.rate is not None and not is_sequence(self.source) and not self.is_raw:
            raise FieldError(
                "A rate is for raw video and for image sequences, which {0} is not: leave {rate} out.", self.source
            )
        if self.resume and self.part is not None:
            raise FieldError("A part of a video can't be resumed: leave {resume} or {part} out.")
        self._check_pipes()
        if self.target == DASH or self.target.suffix.lower() in CONTAINERS:
            check_for_video(self.size)
        if is_picture(self.target):
            self._check_pictures()
        elif not self.is_raw:
            check_container(self.preset.encode.codec, self._named)
        self._check_rate_control()

    def __hash__(self) -> int:  # asyncio.gather asks for it; a preset has none
        return hash((self.source, self.target))

    def _check_rate_control(self) -> None:
        """Refuse more than one of a constant quality, a bit rate and an encoder's own option for one of the two."""
        encode = self.preset.encode
        if encode.crf is not None and encode.bitrate is not None:
            raise FieldError(
                "Either the quality is constant or the bit rate is: leave {encode.crf} or {encode.bitrate} out."
            )
        own = sorted(RATE_CONTROL & encode.options.keys())
        if own and (encode.crf is not None or encode.bitrate is not None):
            other = "{encode.bitrate}" if encode.crf is None else "{encode.crf}"
            raise FieldError(f"The encoder's option {own[0]} does the same as {other}: leave one of them out.")

    def _check_pipes(self) -> None:
        """Refuse what can't be done with pipes."""
        if self.target != DASH:
            check_regular(self.target)
        if self.format is not None and self.target != DASH:
            raise FieldError("The suffix of {0} chooses its container: {format} is for standard output.", self.target)
        if self.resume and (self.target == DASH or is_pipe(self.source)):
            raise FieldError("A pipe can't be read or written a second time: leave {resume} out.")
        if self.overwrite and self.target == DASH:
            raise FieldError("On standard output there is nothing to replace: leave {overwrite} out.")
        is_encoded = self._has_encoder_options or self.preset.encode.options or self.speed is not None
        if self.is_raw and is_encoded:
            raise no_options_of_raw_video()

    def _check_pictures(self) -> None:
        """Refuse options of video encoders, except for the preset's encoder speed, which is ignored."""
        if self.resume:
            raise FieldError("Pictures can't be resumed: leave {resume} out.")
        if self._has_encoder_options:
            raise no_options_of_videos()

    @property
    def _has_encoder_options(self) -> bool:
        """Whether there are options of video encoders; the speed, which presets set for videos, doesn't count."""
        encode = self.preset.encode
        is_named = encode.codec != "auto" or encode.encoder != "auto"
        return is_named or encode.crf is not None or encode.bitrate is not None

    def run(
        self,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        on_status: Callable[[dict[str, WorkerStatus]], None] = lambda _statuses: None,
        stop_requests: Callable[[], int] = lambda: 0,
    ) -> Summary:
        """Upscale the source. The target appears under its name only when it is complete.

        Args:
            on_progress: called in this thread several times a second. An exception that it raises ends the job and is
                passed on.
            on_status: see `sr4k.pipeline.run_graph`, as for the other arguments.
            stop_requests: at one, what has been upscaled is finished and kept.

        Raises:
            InputError: the source can't be read, or is damaged and ``strict`` is set.
            OutputError: the target exists already, or can't be written.
            OptionError: the options don't fit the source.
            EngineError: the network can't be run.
            WorkerError: a worker process died.
            MachineError: the machine ran out of a resource.
            StoppedError: the job was stopped before there was anything to keep.
            InternalError: a bug in this package.
        """
        gauge = Gauge()

        def see(statuses: dict[str, WorkerStatus]) -> None:
            on_status(statuses)
            if on_progress is not None:
                gauge.update(statuses, time.monotonic())
                on_progress(gauge.progress)

        with self.cancellable(stop_requests) as stop, ExitStack() as opened:
            run = partial(_run, on_status=see, stop_requests=Impatient(stop) if self.target == DASH else stop)
            if self.target != DASH:
                opened.enter_context(self._made_ready())
            piped = opened.enter_context(opened_source(self.source)) if is_pipe(self.source) else None
            reading = replace(self.reading, pipe=piped)
            if self.target == DASH:
                return self._fill_pipe(run, reading, opened.enter_context(reserved_output()))
            if is_picture(self.target) or piped is not None:
                return self._make_at_once(run, reading)
            return self._make_video(run)

    @contextmanager
    def _made_ready(self) -> Iterator[None]:
        """Refuse a target that can't be written, and make its folder."""
        self._check_target()
        with folder_made(self.target.parent):
            yield

    def _check_target(self) -> None:
        check_target(self.target, self.source, overwrite=self.overwrite or self._may_go_on())

    def _before(self) -> Progress:
        return Progress()

    def _fill_pipe(self, run: Callable[[GraphSpec], Outcome], reading: DecodeSettings, pipe: Connection) -> Summary:
        if self.is_raw:
            rate = None if is_sequence(self.source) else self.rate
            encode = raw(reading, pipe, self._format, rate)
        else:
            self._tell_codec()
            encode = straight(self.preset.encode, reading, self._named, pipe)
        outcome = run(self._graph(reading, encode))
        _check_outcome(outcome)
        return summarised(Path(STANDARD_OUTPUT), outcome)

    def _make_at_once(self, run: Callable[[GraphSpec], Outcome], reading: DecodeSettings) -> Summary:
        """Make what can't be resumed: pictures, and videos from a pipe."""
        with unfinished(self.target) as partial_target:
            if is_picture(self.target):
                encode = pictures(self.preset.encode, reading, partial_target, self.size)
            else:
                self._tell_codec()
                encode = straight(self.preset.encode, reading, partial_target)
            outcome = run(self._graph(reading, encode))
            _check_outcome(outcome)
            output = free_partial_of(self.target) if outcome.stopped else self.target
            place(partial_target, output, overwrite=self.overwrite)
        return summarised(output, outcome)

    def _make_video(self, run: Callable[[GraphSpec], Outcome]) -> Summary:
        self._tell_codec()
        with self._claimed() as parts:
            resumed = parts.begin(self.facts(), resume=self.resume, overwrite=self.overwrite)
            try:
                return self._made_in(parts, resumed, run)
            except (WorkerError, StoppedError) as err:
                raise type(err)(f"{err} {parts.fate(is_part=self.part is not None)}") from err
            except FullDiskError as err:
                raise FullDiskError(err.folder, parts.keeps(is_part=self.part is not None)) from err
            except InputError:
                if self.strict and not resumed:  # another run would fail as well
                    parts.remove()
                raise

    def _claimed(self) -> AbstractContextManager[Parts]:
        return claimed(self.target)

    def _place(self, parts: Parts, *, stopped: bool) -> Path:
        return parts.place(stopped=stopped, overwrite=self.overwrite)

    def _made_in(self, parts: Parts, resumed: int, run: Callable[[GraphSpec], Outcome]) -> Summary:
        """Make what is missing of the segments, join them, and give the result its name."""
        lost = parts.lost
        outcome = run(self.graph(parts, resumed))
        _check_outcome(outcome, resumed)
        output = self._place(parts, stopped=outcome.stopped)
        if not outcome.stopped or self.part is not None:
            parts.remove()
        if output != self.target and not outcome.stopped:
            raise appeared(self.target, output)
        goes_on = outcome.stopped and self.part is None
        return replace(summarised(output, outcome, resumed, lost), goes_on=goes_on)

    def _tell_codec(self) -> None:
        """Warn if the container needs another codec than the usual one."""
        encode, usual = self.preset.encode, self.preset.codec
        codec = chosen_codec(encode.codec, self._named)
        if codec != usual:
            kind = self.preset.encoders[0]
            is_dropped = encode.preset is not None and not takes_preset(kind, codec, encode.preset)
            speed = ", and has a speed of its own" if is_dropped else ""
            log.warning("%s: WebM can't hold %s, so it is %s%s.", self._named.name, usual, codec, speed)

    @property
    def reading(self) -> DecodeSettings:
        """Settings for reading the source."""
        return DecodeSettings(
            path=shown(self.source),
            part=self.part,
            deinterlace=self.deinterlace,
            strict=self.strict,
            track=self.track,
            rate=self.rate if is_sequence(self.source) else None,
            pixels=self._pixels,
            keeps_alpha=is_picture(self.target) and not is_pipe(self.source),
        )

    @property
    def _pixels(self) -> Pixels:
        """What the network works on: a picture made from a picture keeps full-resolution chroma."""
        if self.preset.engine.pixels != "auto":
            return self.preset.engine.pixels
        return "bgr" if is_picture(self.source) and is_picture(self.target) else "yuv"

    @property
    def _rgb_bits(self) -> Literal[8, 16] | None:
        """Bits that RGB of the result has at most; ``None``: it is video, which is 4:2:0."""
        if not is_picture(self.target):
            return None
        return 16 if self.target.suffix.lower() in DEEP else 8

    @property
    def is_raw(self) -> bool:
        """Whether the result is video that is not encoded."""
        return self.target == DASH and self._format in RAW

    @property
    def _format(self) -> str:
        """Libav's name of the format for standard output."""
        return piped_format("matroska" if self.format is None else self.format)

    @property
    def _named(self) -> Path:
        """The target; for standard output, a name whose suffix chooses the container."""
        return self.target if self.target != DASH else Path(f"{STANDARD_OUTPUT}{PIPED.get(self._format, '')}")

    def _may_go_on(self) -> bool:
        """Whether the target is the result of an earlier run that this one continues, and may be replaced."""
        return self.resume and not is_picture(self.target) and Parts(self.target).left == self.target

    def facts(self) -> dict[str, Any]:
        """Return all that the result depends on, as a flat dict: jobs that differ in it can't resume each other.

        Raises:
            InputError: the source can't be read.
        """
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in NO_FACTS}
        own |= {
            "engine": self.preset.engine.model_dump(exclude={"name", "threads", "reuse", "passes"}),
            "engine.name": engines_of(self.preset.engine)[0],
            "engine.passes": self.preset.engine.passes or 2,
            "engine.hashes": hashes(self.preset.engine.model),
            "encode": self.preset.encode.model_dump(exclude={"work_seconds"}),
        }
        return fingerprint(self.source) | flat(own)

    def graph(self, parts: Parts, resumed: int = 0) -> GraphSpec:
        """Return the graph that writes the video into ``parts``, after the ``resumed`` frames that exist already."""
        done = parts.done_until if resumed else None
        reading = replace(self.reading, done_until=done, done_frames=resumed)
        return self._graph(reading, in_segments(self.preset.encode, reading, parts))

    def graph_of_segment(
        self, folder: Path, cpus: int, *, after: int | None, begin: int | None, until: int | None
    ) -> GraphSpec:
        """Return the graph that makes one segment, as another machine would.

        Args:
            folder: for the segment and its journal.
            cpus: number of CPUs of the machine as which to encode.
            after: ``done_until`` of `DecodeSettings`; ``begin``, ``until``: likewise.
        """
        reading = replace(self.reading, done_until=after, begin=begin, until=until)
        return self._graph(reading, one_segment(self.preset.encode, reading, self.target, folder, cpus))

    def _graph(self, reading: DecodeSettings, encode: StageSpec) -> GraphSpec:
        return assembled(
            self.preset,
            decode=StageSpec("sr4k.stages.decode:Decode", reading),
            convert=ConvertSettings(size=self.size),
            encode=encode,
            pixels=self._pixels,
            rgb_bits=self._rgb_bits,
            cpus=self.cpus,
        )


def no_options_of_raw_video() -> FieldError:
    """Return the error for options of video encoders with raw video as the target."""
    return FieldError(
        "Raw video has no {encode.codec}, {encode.crf}, {encode.bitrate}, {encode.preset}, {encode.encoder} and "
        "{encode.options}: leave them out."
    )


def no_options_of_videos() -> FieldError:
    """Return the error for options of video encoders with a picture as the target."""
    return FieldError(
        "Pictures have no {encode.codec}, {encode.crf}, {encode.bitrate}, {encode.preset} and {encode.encoder}: leave "
        "them out, "
        "and presets that set them; {encode.options} sets options of the picture encoder."
    )


def _run(spec: GraphSpec, **watching: Any) -> Outcome:
    """Run the graph; a worker that dies ends a job on files."""
    try:
        outcome = run_assembled(spec, **watching)
    except WorkerDied as err:
        raise WorkerError(f"Stopped: {err}.") from err
    written = report_of(outcome.statuses, ENCODE, EncodeReport)
    if written is not None and written.is_whole is not None:
        outcome.stopped = not written.is_whole
    return outcome


def _check_outcome(outcome: Outcome, resumed: int = 0) -> None:
    written = report_of(outcome.statuses, ENCODE, EncodeReport)
    if not resumed + (0 if written is None else written.frames):
        raise StoppedError("Stopped before the first frame.")
