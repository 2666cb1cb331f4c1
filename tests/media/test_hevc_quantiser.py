"""Quantisers of HEVC's key frames, as they are read from headers, beside what libav's parser finds there."""

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from av.bitstream import BitStreamFilterContext
from clips import write_clip
from hevc_headers import CRA, IDR, MadeStream, annex_b, hvcc, with_length

from sr4k.media.hevc_quantiser import HevcQuantiser, Quantiser


@pytest.fixture(scope="module", autouse=True)
def logs() -> Iterator[None]:
    """The filter ``trace_headers`` writes to libav's log."""
    av.logging.set_level(av.logging.INFO)
    yield
    av.logging.set_level(None)


def traced(stream: Any, packets: Iterable[av.Packet]) -> list[float]:
    """The mean QP of the slices of each key frame, by libav's parser."""
    found, start = [], 0
    with av.logging.Capture(local=True) as lines:
        tracer = BitStreamFilterContext("trace_headers", stream)
        for packet in packets:
            is_key = packet.is_keyframe
            tracer.filter(packet)
            said = "\n".join(line[2] for line in lines)
            lines.clear()
            start = [start, *numbers(said, "init_qp_minus26")][-1]
            if is_key:
                deltas = numbers(said, "slice_qp_delta")
                found.append(26 + start + sum(deltas) / len(deltas))
    return found


def numbers(said: str, name: str) -> list[int]:
    return [int(value) for value in re.findall(rf"{name} .*= (-?\d+)", said)]


def read(path: Path) -> list[Quantiser | None]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        reader = HevcQuantiser(stream.codec_context.extradata)
        return [reader.of(bytes(packet)) for packet in container.demux(stream) if packet.is_keyframe]


def by_libav(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return traced(stream, (packet for packet in container.demux(stream) if packet.size))


def x265(path: Path, params: str, pix_fmt: str = "yuv420p", **options: str) -> Path:
    params = f"log-level=none:keyint=5:min-keyint=5:{params}"
    options = {"preset": "ultrafast", "crf": "22", **options, "x265-params": params}
    return write_clip(path, codec="libx265", audio=False, frames=12, size=(128, 144), pix_fmt=pix_fmt, options=options)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(
    ("name", "params", "pix_fmt", "options"),
    [
        ("hvc1.mp4", "open-gop=0", "yuv420p", {"crf": "12", "tag": "hvc1"}),
        ("hev1.mp4", "open-gop=1:repeat-headers=1", "yuv420p", {"crf": "35"}),
        ("open.mkv", "open-gop=1:b-pyramid=1:ref=4:opt-qp-pps=1", "yuv420p10le", {"preset": "veryfast"}),
        ("broadcast.ts", "open-gop=1", "yuv420p", {}),
        ("raw.hevc", "repeat-headers=1:aud=1", "yuv420p", {}),
        ("slices.mkv", "slices=2:no-sao=1", "yuv420p", {}),
        ("lists.mkv", "scaling-list=default", "yuv444p", {}),
        ("sets.ts", "multi-pass-opt-rps=1:opt-qp-pps=1:open-gop=1:bframes=3", "yuv420p", {"preset": "veryfast"}),
    ],
)
def test_the_quantiser_of_each_key_frame_is_that_of_its_slices(
    name: str, params: str, pix_fmt: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = x265(tmp_path / name, params, pix_fmt, **options)
    found = read(path)
    assert len(found) >= 2
    assert None not in found
    assert [each.qp for each in found if each] == by_libav(path)


def test_an_encoder_that_codes_referenced_blocks_finer_is_known_by_all_of_its_features(tmp_path: Path) -> None:
    usual = "bframes=3:aq-mode=1:cutree=1"
    others = [
        "bframes=3:aq-mode=0:cutree=0",
        "bframes=0:aq-mode=1",
        f"{usual}:wpp=0",
        f"{usual}:strong-intra-smoothing=0",
    ]
    assert {each and each.is_nominal for each in read(x265(tmp_path / "usual.mkv", usual))} == {True}
    for params in others:
        assert {each and each.is_nominal for each in read(x265(tmp_path / "other.mkv", params))} == {False}, params


def test_headers_are_read_whatever_features_a_stream_has() -> None:
    with av.open("", "w", format="null") as nowhere:
        placeholder = nowhere.add_mux_stream("hevc", rate=25, width=256, height=192)
        for seed in range(60):
            made = MadeStream(seed)
            units = [*made.sets(), *(made.slice((IDR, CRA)[seed % 2], number) for number in range(3))]
            data = annex_b(units)
            packet = av.Packet(data)
            packet.is_keyframe = True
            found = HevcQuantiser(None).of(data)
            assert found is not None, seed
            assert [found.qp] == traced(placeholder, [packet]), seed


def test_parameter_sets_may_come_in_extradata_and_change_with_it() -> None:
    first, second = MadeStream(2), MadeStream(8)
    sets, others = first.sets(), second.sets()
    key, other = first.slice(IDR, 0), second.slice(IDR, 0)
    expected, then = HevcQuantiser(None).of(annex_b([*sets, key])), HevcQuantiser(None).of(annex_b([*others, other]))
    assert expected is not None is not then != expected
    assert HevcQuantiser(annex_b(sets)).of(annex_b([key])) == expected
    for length in (1, 2, 4):
        reader = HevcQuantiser(hvcc(sets, length=length))
        assert reader.of(with_length(key, length=length)) == expected
        reader.configure(hvcc(others, length=2))
        assert reader.of(with_length(other, length=2)) == then


def test_pictures_without_parameter_sets_and_other_pictures_tell_nothing() -> None:
    made = MadeStream(2)
    sets, key = made.sets(), made.slice(IDR, 0)
    other_eye = bytes([key[0], 9]) + key[2:]
    predicted = bytes([1 << 1]) + key[1:]
    for units in ([key], sets, [*sets, other_eye], [*sets, predicted], [sets[1], key], [sets[2], key]):
        assert HevcQuantiser(None).of(annex_b(units)) is None
    assert HevcQuantiser(None).of(annex_b([*sets, key])) is not None


def test_damaged_and_random_bytes_are_read_without_errors() -> None:
    dice = random.Random(5)
    told = 0
    for seed in range(40):
        made = MadeStream(seed)
        sets = made.sets()
        data = annex_b([*sets, made.slice(CRA, 0), made.slice(CRA, 2)])
        damaged = [data[: dice.randrange(len(data))], dice.randbytes(dice.randrange(400)), hvcc(sets, length=4)]
        for _ in range(12):
            flipped = bytearray(data)
            for _ in range(dice.randrange(1, 6)):
                flipped[dice.randrange(len(data))] = dice.choice((0, 1, 255, dice.randrange(256)))
            damaged.append(bytes(flipped))
        for each in damaged:
            for extradata in (None, each, hvcc(sets, length=4)[: dice.randrange(120)]):
                found = HevcQuantiser(extradata).of(each)
                assert found is None or -48 <= found.qp <= 51
                told += found is not None
    assert told, "some damage leaves the quantiser alone"
    for empty in (b"", b"\0", b"\0\0\1", b"\0\0\1\x2a", bytes(5000), b"\0\0\1" * 5000):
        assert HevcQuantiser(empty).of(empty) is None
        assert HevcQuantiser(hvcc([], length=1)).of(empty) is None
