import os
import re
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from clips import blank
from infos import video_info

from sr4k.engines.nvidia import driver
from sr4k.errors import OptionError
from sr4k.live.send.encoder_settings import encoder_settings
from sr4k.live.settings import PlayoutSettings
from sr4k.media.options import Codec, EncoderKind, EncoderSettings
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.encoder_limits import check_quality
from sr4k.media.writing.encoder_table import CODECS, ENCODERS, called

INFO = video_info()


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_no_encoder_takes_the_cpus_from_everybody_else(codec: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "out.mkv"), "w") as target:
        stream = add_video(target, INFO, EncoderSettings(codec=codec))  # type: ignore[arg-type]
        open_encoder(stream)
        for number in range(5):
            picture = blank(64, 48)
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(picture))
        policies = set()
        for thread in psutil.Process().threads():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                policies.add(os.sched_getscheduler(thread.id))
        target.mux(stream.encode(None))
    assert policies == {os.SCHED_OTHER}


def test_av1_of_the_best_quality_can_be_decoded_where_pictures_are_easy_to_predict() -> None:
    y, x = np.mgrid[:180, :320]
    info = replace(INFO, width=320, height=180)
    file = BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = add_video(target, info, EncoderSettings(codec="av1", crf=1, preset="12"))
        open_encoder(stream)
        for number in range(26):
            pixels = np.stack([x + number, y + 2 * number, (x + y) // 2], -1).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as result:
        assert len(list(result.decode(video=0))) == 26


@pytest.mark.parametrize("options", [{"qp": "0"}, {"crf": "0"}, {"x264-params": "qp=0"}])
def test_an_encoders_own_rate_control_takes_the_place_of_the_usual_quality(options: dict[str, str]) -> None:
    noise = np.random.default_rng(1).integers(16, 236, (48 * 3 // 2, 64), np.uint8)
    file = BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = add_video(target, replace(INFO, width=64, height=48), EncoderSettings(codec="h264", options=options))
        open_encoder(stream)
        picture = av.VideoFrame.from_ndarray(noise, format="yuv420p")
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        target.mux([*stream.encode(picture), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as result:
        assert np.array_equal(next(result.decode(video=0)).to_ndarray(), noise), "qp 0 is lossless"


def told_by_x264(settings: EncoderSettings) -> dict[str, str]:
    """The settings that x264 writes into its stream."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = add_video(target, INFO, settings)
        open_encoder(stream)
        picture = blank(INFO.width, INFO.height)
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        target.mux([*stream.encode(picture), *stream.encode(None)])
    found = re.search(rb"options: ([^\0]*)", file.getvalue())
    assert found is not None
    return dict(pair.split("=", 1) for pair in found[1].decode("latin-1").split() if "=" in pair)


def of(found: dict[str, str], *names: str) -> list[str]:
    return [found[name] for name in names]


def test_the_usual_speed_leaves_out_what_costs_more_than_it_saves_and_one_with_a_name_does_not() -> None:
    names = ("bframes", "weightp", "aq", "analyse", "crf")
    usual = of(told_by_x264(EncoderSettings()), *names)
    assert usual == ["0", "0", "0", "0x3:0", "19.0"]
    named = of(told_by_x264(EncoderSettings(preset="superfast")), *names)
    assert named == ["3", "1", "1:1.00", "0x3:0x3", "18.0"]
    assert of(told_by_x264(EncoderSettings(options={"preset": "superfast"})), *names) == named


def test_a_persons_own_options_take_the_place_of_those_of_the_usual_speed() -> None:
    found = told_by_x264(EncoderSettings(crf=23, options={"bf": "2", "tune": "film", "x264-params": "aq-mode=2"}))
    assert of(found, "crf", "bframes", "deblock", "weightp") == ["23.0", "2", "1:-1:-1", "0"]
    assert found["aq"].startswith("2")
    assert told_by_x264(EncoderSettings(bitrate=500_000))["rc"] == "abr"


def test_a_live_stream_of_the_usual_speed_has_neither_b_frames_nor_look_ahead_and_holds_its_rate() -> None:
    settings = encoder_settings(PlayoutSettings(targets=(), sound=None, bitrate=500_000), INFO)
    found = told_by_x264(settings)
    assert of(found, "bframes", "scenecut", "aq") == ["0", "0", "0"]
    assert of(found, "rc", "bitrate", "vbv_maxrate", "vbv_bufsize") == ["cbr", "500", "500", "500"]
    assert found.get("rc_lookahead", "0") == "0"


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_the_lighter_options_of_one_encoder_do_not_reach_another(codec: Codec) -> None:
    with av.open(BytesIO(), "w", format="matroska") as target:
        given = add_video(target, INFO, EncoderSettings(codec=codec)).codec_context.options
    assert not ENCODERS["software", "h264"].lighter.keys() & given.keys()
    assert given["preset"] == ENCODERS["software", codec].speed


NONSENSE: dict[str, dict[str, str]] = {"h264": {"preset": "none"}, "hevc": {"preset": "none"}, "av1": {"preset": "99"}}
UNOPENABLE = [
    (kind, codec) for kind, codec in ENCODERS if kind == "software" or (kind == "nvenc" and not driver().gpus)
]


@pytest.mark.parametrize(("kind", "codec"), UNOPENABLE)
def test_an_encoder_that_cannot_be_opened_is_told_and_does_no_harm(
    kind: EncoderKind, codec: Codec, tmp_path: Path
) -> None:
    options = NONSENSE[codec] if kind == "software" else {}
    settings = EncoderSettings(codec=codec, encoder=kind, options=options)
    with av.open(str(tmp_path / "out.mkv"), "w") as target:
        stream = add_video(target, INFO, settings)
        with pytest.raises(OptionError, match=f"The {called(kind, codec)} encoder can't be opened"):
            open_encoder(stream)


def opens(codec: str, crf: int | None = None, preset: str | None = None) -> bool:
    """Whether the encoder itself accepts the values, without our check."""
    name = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"}[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.time_base = 64, 48, "yuv420p", Fraction(1, 25)
    context.options = {"crf": str(crf)} if crf is not None else {"preset": str(preset)}
    with suppress(av.error.FFmpegError, OSError):
        context.open()
        return True
    return False


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_an_encoder_takes_all_that_it_is_said_to_take(codec: str) -> None:
    limits = ENCODERS["software", codec]  # type: ignore[index]
    ends = {limits.speeds[0], limits.speeds[-1]} if codec == "av1" else {*limits.speeds, *limits.others}
    assert all(opens(codec, crf=crf) for crf in (limits.crf[0], limits.crf[-1]))
    assert all(opens(codec, preset=preset) for preset in ends)


@pytest.mark.parametrize(
    ("codec", "crf", "takes"),
    [("h264", 52, "0 .* 51"), ("hevc", 52, "0 .* 51"), ("av1", 0, "1 .* 63"), ("av1", 64, "1 .* 63")],
)
def test_a_quality_that_it_does_not_take_is_refused_with_its_range(codec: Any, crf: int, takes: str) -> None:
    with av.open(os.devnull, "w", format="matroska") as target, pytest.raises(OptionError, match=f"crf from {takes}"):
        add_video(target, INFO, EncoderSettings(codec=codec, crf=crf))


@pytest.mark.parametrize("codec", CODECS)
def test_what_nvenc_takes_is_what_libav_says(codec: Codec) -> None:
    row = ENCODERS["nvenc", codec]
    options = {option.name: option for option in av.CodecContext.create(row.name, "w").supported_options.private}
    names = {choice.name for choice in options["preset"].choices or ()}
    dropped = {"default", "hp", "hq", "bd", "ll", "llhq", "llhp", "lossless", "losslesshp"}  # by FFmpeg 9
    assert names - dropped == {*row.speeds, *row.others}
    assert options["cq"].max == row.crf[-1]
    with pytest.raises(ValueError, match=r"p1 \(fastest\) to p7 \(slowest\), not 'veryfast'"):
        check_quality(codec, ("nvenc",), None, "veryfast")
