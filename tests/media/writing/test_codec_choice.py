"""The choice of a video's codec."""

from pathlib import Path

import pytest

from sr4k.errors import OptionError
from sr4k.media.options import CodecChoice, EncoderChoice, WriteSettings
from sr4k.media.writing.codec_choice import (
    check_container,
    check_speed,
    chosen_codec,
    in_software,
    possible_encoders,
    settled,
)

MP4, WEBM = Path("out.mp4"), Path("out.WebM")


@pytest.mark.parametrize(
    ("choice", "target", "bits", "codec"),
    [
        ("auto", MP4, 8, "h264"),
        ("auto", MP4, 10, "hevc"),
        ("auto", WEBM, 8, "av1"),
        ("auto", WEBM, 10, "av1"),
        ("auto", None, 8, "h264"),
        ("h264", MP4, 10, "h264"),
        ("h264", WEBM, 8, "h264"),
    ],
)
def test_a_codec_is_chosen_by_what_was_asked_the_container_and_the_depth(
    choice: CodecChoice, target: Path | None, bits: int, codec: str
) -> None:
    assert chosen_codec(choice, target, bits=bits) == codec


@pytest.mark.parametrize(
    ("choice", "on_gpu", "kinds"),
    [
        ("auto", False, ("software",)),
        ("auto", True, ("nvenc", "software")),
        ("software", True, ("software",)),
        ("qsv", False, ("qsv",)),
        ("vaapi", True, ("vaapi",)),
    ],
)
def test_auto_is_software_unless_frames_stay_on_a_gpu_and_what_is_named_is_never_replaced(
    choice: EncoderChoice, on_gpu: bool, kinds: tuple[str, ...]
) -> None:
    assert possible_encoders(choice, on_gpu=on_gpu) == kinds


@pytest.mark.parametrize("choice", ["h264", "hevc"])
def test_what_the_container_cant_hold_is_refused_if_it_was_named(choice: CodecChoice) -> None:
    with pytest.raises(OptionError, match=f"webm files can't hold {choice} video"):
        check_container(choice, WEBM)
    check_container(choice, MP4)


@pytest.mark.parametrize("choice", ["auto", "av1"])
def test_what_the_container_can_hold_is_not(choice: CodecChoice) -> None:
    check_container(choice, WEBM)


def encode(path: Path, **settings: object) -> WriteSettings:
    return WriteSettings(source=Path("in.mp4"), path=path, parts=Path("parts"), **settings)  # type: ignore[arg-type]


def test_a_speed_of_another_encoder_is_not_asked_of_the_one_that_the_container_chose() -> None:
    dropped = settled(encode(WEBM, codec="auto", encoder="auto", preset="superfast", crf=20), bits=8)
    assert dropped == encode(WEBM, codec="av1", encoder="software", crf=20)
    kept = encode(WEBM, codec="auto", preset="12")
    assert settled(kept, bits=8).preset == "12"
    assert settled(encode(MP4, codec="auto", preset="superfast"), bits=10).preset == "superfast"
    assert settled(encode(WEBM, codec="auto", encoder="qsv", preset="slow"), bits=8).preset == "slow"


def test_a_speed_that_the_chosen_encoder_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(OptionError, match=r"out\.WebM is encoded as av1: .* 0 \(slowest\) to 13 \(fastest\), not"):
        check_speed("auto", ("software",), "fast", WEBM)
    with pytest.raises(OptionError, match=r"out\.mp4 is encoded as h264: .* ultrafast, .*, not '12'"):
        check_speed("auto", ("software",), "12", MP4)
    with pytest.raises(OptionError, match=r"encoded as av1_nvenc: .* p1 \(fastest\) to p7 \(slowest\), not 'hq'"):
        check_speed("auto", ("nvenc", "software"), "hq", WEBM)
    with pytest.raises(OptionError, match=r"encoded as hevc_amf: .* speed, balanced, quality, not 'medium'"):
        check_speed("hevc", ("amf",), "medium", MP4)
    check_speed("auto", ("software",), "12", WEBM)
    check_speed("auto", ("software",), "fast", MP4)
    check_speed("auto", ("nvenc", "software"), "p7", MP4)


def test_what_nvenc_was_told_is_not_asked_of_the_cpu() -> None:
    asked = encode(MP4, codec="h264", encoder="nvenc", preset="p4", crf=20, options={"rc": "vbr"}, bitrate=1_000_000)
    assert settled(in_software(asked), bits=8) == encode(MP4, codec="h264", bitrate=1_000_000)
    assert settled(asked, bits=8) == asked
