"""The last stage of a job on files, for each way of writing its result."""

from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sr4k.configs import EncodePreset
from sr4k.media.options import RawSettings, ResultSize, SegmentSettings, StraightSettings, WriteSettings
from sr4k.media.reports import ENCODE
from sr4k.media.resume.job_folder import Parts
from sr4k.pipeline import StageSpec
from sr4k.stages.settings import DecodeSettings, PictureSettings


def in_segments(encode: EncodePreset, reading: DecodeSettings, parts: Parts) -> StageSpec:
    """Return the sink that writes a video in segments, so that the job can be resumed."""
    settings = WriteSettings(
        **_result(encode, reading, parts.whole),
        parts=parts.folder,
        segment_seconds=encode.segment_seconds,
        work_seconds=encode.work_seconds,
    )
    return StageSpec("sr4k.stages.encode:Encode", settings)


def one_segment(encode: EncodePreset, reading: DecodeSettings, target: Path, folder: Path, cpus: int) -> StageSpec:
    """Return the sink that writes one segment of a video that other machines take part in.

    Args:
        encode: how to encode.
        reading: how the source is read.
        target: of the job; its suffix chooses the container.
        folder: for the segment and its journal.
        cpus: number of CPUs of the machine as which to encode.
    """
    settings = SegmentSettings(**_result(encode, reading, target), parts=folder, cpus=cpus)
    return StageSpec("sr4k.stages.encode_segment:EncodeSegment", settings, called=ENCODE)


def straight(encode: EncodePreset, reading: DecodeSettings, path: Path, pipe: Connection | None = None) -> StageSpec:
    """Return the sink that writes a video without segments.

    Args:
        encode: how to encode.
        reading: how the source is read.
        path: the file; for a pipe, a name whose suffix chooses the container.
        pipe: what is written to instead of the file.
    """
    settings = StraightSettings(**_result(encode, reading, path), pipe=pipe)
    return StageSpec("sr4k.stages.encode_straight:EncodeStraight", settings, called=ENCODE)


def raw(reading: DecodeSettings, pipe: Connection, form: str, rate: Fraction | None) -> StageSpec:
    """Return the sink that writes pictures to a pipe as they are.

    Args:
        reading: how the source is read.
        pipe: what is written to.
        form: libav's name of the format.
        rate: frames a second; ``None``: the source's.
    """
    copy = None if reading.pipe is None else reading.pipe.copy
    settings = RawSettings(source=reading.path, copy=copy, pipe=pipe, format=form, rate=rate, track=reading.track)
    return StageSpec("sr4k.stages.write_raw:WriteRaw", settings, called=ENCODE)


def pictures(encode: EncodePreset, reading: DecodeSettings, output: Path, size: ResultSize) -> StageSpec:
    """Return the sink that writes each frame to a file of its own."""
    settings = PictureSettings(reading=reading, path=output, options=dict(encode.options), size=size)
    return StageSpec("sr4k.stages.encode_images:EncodePictures", settings)


def _result(encode: EncodePreset, reading: DecodeSettings, path: Path) -> dict[str, Any]:
    """Return the fields of `sr4k.media.options.ResultSettings`."""
    return {
        "codec": encode.codec,
        "encoder": encode.encoder,
        "crf": encode.crf,
        "bitrate": encode.bitrate,
        "preset": encode.preset,
        "options": dict(encode.options),
        "source": reading.path,
        "copy": None if reading.pipe is None else reading.pipe.copy,
        "path": path,
        "strict": reading.strict,
        "track": reading.track,
    }
