"""Cropping: exactly the visible part of a coded picture is upscaled."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from clips import MakeClip, luma_planes

from sr4k import Job, load_preset
from sr4k.live.receive.pull_process import fitting_info
from sr4k.media.crop import Margins
from sr4k.media.headers import margins
from sr4k.media.look import DecodedPicture, Look
from sr4k.media.options import Box
from sr4k.probing import probe

TAGGED = {"colorspace": 1, "color_primaries": 1, "color_trc": 1}
LEFT, RIGHT, TOP, BOTTOM = 6, 10, 4, 2
NEAREST = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
LOSSLESS = NEAREST.updated("encode", codec="h264", crf=0, preset="ultrafast")


def cropped_by_codec(clip: Path, target: Path, codec: str) -> Path:
    """The same pictures, with a header by which their borders are not to be seen."""
    how = f"{codec}_metadata=crop_left={LEFT}:crop_right={RIGHT}:crop_top={TOP}:crop_bottom={BOTTOM}"
    with av.open(str(clip)) as source, av.open(str(target), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        marks = BitStreamFilterContext(how, stream, copy)
        for packet in source.demux(stream):
            for marked in marks.filter(packet if packet.size else None):
                marked.stream = copy
                out.mux(marked)
    return target


def cropped_by_container(clip: Path) -> Path:
    """An MP4 with a clean aperture, where boxes of no use here were."""
    data = clip.read_bytes()
    size = {name: struct.unpack(">I", data[data.index(name) - 4 :][:4])[0] for name in (b"colr", b"pasp", b"btrt")}
    start, length = data.index(b"colr") - 4, sum(size.values())
    width, height = 160 - LEFT - RIGHT, 96 - TOP - BOTTOM
    where = (width, 1, height, 1, LEFT - RIGHT, 2, TOP - BOTTOM, 2)
    clap = struct.pack(">I4s8i", 40, b"clap", *where)
    boxes = clap + struct.pack(">I4s", length - 40, b"free") + bytes(length - 48)
    clip.write_bytes(data[:start] + boxes + data[start + length :])
    return clip


def of_the_source(path: Path) -> np.ndarray:
    """Return the visible part, twice as large."""
    with av.open(str(path)) as container:
        whole = next(container.decode(video=0)).to_ndarray(format="yuv420p")[:96]
    return whole[TOP : 96 - BOTTOM, LEFT : 160 - RIGHT].repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize(("codec", "encoder"), [("h264", "libx264"), ("hevc", "libx265")])
def test_what_the_codec_crops_on_the_left_is_not_seen(
    codec: str, encoder: str, make_clip: MakeClip, tmp_path: Path
) -> None:
    options = {"preset": "ultrafast"} | ({"x265-params": "log-level=none"} if codec == "hevc" else {})
    clip = make_clip("whole.mkv", frames=3, size=(160, 96), audio=False, codec=encoder, options=options)
    source = cropped_by_codec(clip, tmp_path / "in.mkv", codec)
    Job(source, tmp_path / "out.mkv", preset=LOSSLESS).run()
    made = luma_planes(tmp_path / "out.mkv")
    assert len(made) == 3
    assert np.array_equal(made[0], of_the_source(clip))


class TestCleanAperture:
    @pytest.fixture
    def source(self, make_clip: MakeClip) -> Path:
        return cropped_by_container(
            make_clip("in.mp4", frames=3, size=(160, 96), audio=False, sample_aspect_ratio=2, context=TAGGED)
        )

    def test_the_rest_is_not_seen(self, source: Path, tmp_path: Path) -> None:
        summary = Job(source, tmp_path / "out.mp4", preset=LOSSLESS).run()
        assert np.array_equal(luma_planes(tmp_path / "out.mp4")[0], of_the_source(source))
        assert (summary.source.width, summary.source.height, summary.frames) == (144, 90, 3)
        with av.open(str(tmp_path / "out.mp4")) as result:
            assert margins(result.streams.video[0]) is None
        assert (probe(source).video["width"], probe(source).video["height"]) == (144, 90)

    def test_a_size_is_that_of_what_is_seen(self, source: Path, tmp_path: Path) -> None:
        Job(source, tmp_path / "out.mkv", preset=LOSSLESS, size=Box(144, 90, "stretch")).run()
        made = luma_planes(tmp_path / "out.mkv")[0]
        assert np.abs(made.astype(int) - of_the_source(source)[::2, ::2]).mean() < 4

    def test_what_it_says_is_found(self, source: Path) -> None:
        with av.open(str(source)) as container:
            stream = container.streams.video[0]
            assert margins(stream) == Margins(LEFT, RIGHT, TOP, BOTTOM)
            first = next(container.decode(stream))
            assert fitting_info(DecodedPicture(first, Look.of(first)), stream, None).width == 160


def test_a_clean_aperture_larger_than_the_picture_is_none(make_clip: MakeClip) -> None:
    source = make_clip("in.mp4", frames=1, size=(160, 96), audio=False, sample_aspect_ratio=2, context=TAGGED)
    cropped_by_container(source)
    data = source.read_bytes()
    at = data.index(b"clap") + 4
    source.write_bytes(data[:at] + struct.pack(">8i", 2, 1, 2, 1, 400, 1, 300, 1) + data[at + 32 :])
    with av.open(str(source)) as container:
        assert margins(container.streams.video[0]) is None
