"""Colour bars, and their brightness metadata, from file to file on every path."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sr4k import Job, Summary, load_preset
from sr4k.errors import OptionError
from sr4k.media.hdr import hdr_of
from sr4k.media.headers import chroma_location
from sr4k.quality.side_by_side import write_comparison
from sr4k.stages.settings import DecodeSettings

Bars = NDArray[np.float64]

BARS: Bars = 0.75 * np.array(
    [[1, 1, 1], [1, 1, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]], float
)
"""R'G'B' of 75 % bars."""

GRAYS: Bars = np.linspace(0, 1, 8)[:, None].repeat(3, axis=1)
WIDE, HIGH = 32, 64
KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""KR and KB by code point of the matrix coefficients (ITU-T H.273)."""


def codes(bars: Bars, *, matrix: int, full: bool, bits: int) -> NDArray[np.int64]:
    """Y', Cb and Cr (bars, 3) as ITU-T H.273 has them, equations 20 to 37."""
    kr, kb = KR_KB[matrix]
    red, _, blue = bars.T
    luma = bars @ np.array([kr, 1 - kr - kb, kb])
    chroma = np.stack([(blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)])
    middle, most = 2 ** (bits - 1), 2**bits - 1
    if full:
        parts = [most * luma, *(most * chroma + middle)]
    else:
        parts = [(219 * luma + 16) * 2 ** (bits - 8), *((224 * chroma + 128) * 2 ** (bits - 8))]
    return np.rint(np.stack(parts, 1)).astype(int)


def drawn(values: NDArray[Any], width: int) -> NDArray[Any]:
    """One row of a plane, a bar for each value."""
    return np.repeat(values, width)


def write(
    path: Path,
    pix_fmt: str,
    rows: list[NDArray[Any]],
    tags: dict[str, int],
    *,
    encoder: str = "ffv1",
    options: dict[str, str] | None = None,
    tag: str | None = None,
) -> Path:
    """Three pictures of planes that are the same in every row."""
    with av.open(str(path), "w") as target:
        video = target.add_stream(encoder, rate=25, options=options or {})
        video.width, video.height, video.pix_fmt = 8 * WIDE, HIGH, pix_fmt
        if tag is not None:
            video.codec_context.codec_tag = tag
        picture = av.VideoFrame(8 * WIDE, HIGH, pix_fmt)
        for name, value in tags.items():
            setattr(video.codec_context, name, value)
            setattr(picture, name, value)
        for plane, row in zip(picture.planes, rows, strict=True):
            lines = np.frombuffer(memoryview(plane), row.dtype).reshape(plane.height, -1)
            lines[:, : len(row)] = row
        for number in range(3):
            picture.pts, picture.time_base = number, Fraction(1, 25)
            target.mux(video.encode(picture))
        target.mux(video.encode(None))
    return path


def source(path: Path, pix_fmt: str, *, matrix: int, full: bool, bars: Bars = BARS, **how: Any) -> Path:
    """The bars in planes of Y'CbCr."""
    form = av.VideoFormat(pix_fmt)
    bits = form.components[0].bits
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16)
    step = WIDE * form.chroma_width(64) // 64
    values = codes(bars, matrix=matrix, full=full, bits=bits).astype(kind)
    rows = [drawn(values[:, k], step if k else WIDE) for k in range(min(3, len(form.components)))]
    if pix_fmt.startswith("yuva"):
        rows.append(drawn(np.full(8, 2**bits - 1, kind), WIDE))
    tags = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    return write(path, pix_fmt, rows, tags, **how)


def upscale(path: Path, target: Path, *, engine: str = "openvino", pixels: str = "yuv", **encode: Any) -> Summary:
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name=engine, pixels=pixels)
    return Job(path, target, preset=preset.updated("encode", **{"preset": "ultrafast", "crf": 0, **encode})).run()


def bars_of(path: Path) -> tuple[NDArray[np.int64], av.VideoFrame]:
    """Y', Cb and Cr (bars, 3) in the middle of each bar of a 4:2:0 video, and its first picture."""
    with av.open(str(path)) as result:
        picture = next(result.decode(video=0))
    kind = "u1" if picture.format.components[0].bits == 8 else "<u2"
    planes = [np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1) for plane in picture.planes]
    middles = 2 * WIDE * np.arange(8) + WIDE
    return np.stack(
        [plane[plane.shape[0] // 2, middles // (1 + (k > 0))] for k, plane in enumerate(planes)], 1
    ), picture


@pytest.mark.parametrize("pixels", ["yuv", "bgr"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("pix_fmt", "matrix"),
    [
        ("yuv420p", 1),
        ("yuv422p", 6),
        ("yuv444p", 1),
        ("yuva420p", 6),
        ("yuv420p10le", 9),
        ("yuv422p10le", 1),
        ("yuv444p10le", 9),
        ("yuva444p10le", 1),
    ],
)
def test_bars_keep_their_levels(pix_fmt: str, matrix: int, full: bool, pixels: str, tmp_path: Path) -> None:
    clip = source(tmp_path / "bars.mkv", pix_fmt, matrix=matrix, full=full)
    upscale(clip, tmp_path / "out.mkv", pixels=pixels)
    found, picture = bars_of(tmp_path / "out.mkv")
    bits = 10 if "10" in pix_fmt else 8
    assert picture.format.name.removeprefix("yuvj").removeprefix("yuv") == ("420p10le" if bits == 10 else "420p")
    assert picture.colorspace == matrix
    assert picture.color_range == (2 if full else 1)
    assert np.abs(found - codes(BARS, matrix=matrix, full=full, bits=bits)).max() <= 1


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (6, True), (9, False)])
def test_so_does_a_comparison(matrix: int, full: bool, tmp_path: Path) -> None:
    """Source and result side by side, in 8 bits."""
    clip = source(tmp_path / "bars.mkv", "yuv422p10le", matrix=matrix, full=full)
    upscale(clip, tmp_path / "out.mkv", engine="nearest")
    write_comparison(DecodeSettings(path=clip), tmp_path / "out.mkv", tmp_path / "both.mkv", layout="side")
    with av.open(str(tmp_path / "both.mkv")) as container:
        picture = next(container.decode(video=0))
    luma = np.frombuffer(memoryview(picture.planes[0]), np.uint8).reshape(-1, picture.planes[0].line_size)
    expected = codes(BARS, matrix=matrix, full=full, bits=8)[:, 0]
    assert np.abs(luma[64, 64 * np.arange(16) + 32] - np.tile(expected, 2)).max() <= 2
    assert (picture.colorspace, picture.color_range) == (matrix, 2 if full else 1)

    write_comparison(DecodeSettings(path=clip), tmp_path / "out.mkv", tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    drawn = sheet[60:250, 10:560, ::-1].reshape(-1, 1, 3) / 255
    far = np.abs(drawn - BARS).max(axis=2).min(axis=1)  # from the nearest bar
    assert np.median(far) < 0.02


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_grays_keep_their_levels(pix_fmt: str, full: bool, tmp_path: Path) -> None:
    clip = source(tmp_path / "grays.mkv", pix_fmt, matrix=1, full=full, bars=GRAYS)
    upscale(clip, tmp_path / "out.mkv")
    found, _ = bars_of(tmp_path / "out.mkv")
    bits = 10 if "10" in pix_fmt else 8
    assert np.abs(found - codes(GRAYS, matrix=1, full=full, bits=bits)).max() <= 1


@pytest.mark.parametrize("pixels", ["yuv", "bgr"])
@pytest.mark.parametrize(("pix_fmt", "bits"), [("gbrp", 8), ("gbrp10le", 10), ("gbrp14le", 10)])
def test_rgb_becomes_limited_range_of_the_matrix_for_its_size(
    pix_fmt: str, bits: int, pixels: str, tmp_path: Path
) -> None:
    deep = av.VideoFormat(pix_fmt).components[0].bits
    values = np.rint(BARS * (2**deep - 1)).astype(np.uint8 if deep == 8 else np.uint16)
    rows = [drawn(values[:, k], WIDE) for k in (1, 2, 0)]
    name, encoder = ("bars.avi", "utvideo") if deep == 8 else ("bars.mkv", "ffv1")
    clip = write(tmp_path / name, pix_fmt, rows, {}, encoder=encoder)
    upscale(clip, tmp_path / "out.mkv", pixels=pixels)
    found, picture = bars_of(tmp_path / "out.mkv")
    assert (picture.colorspace, picture.color_range) == (6, 1)
    assert np.abs(found - codes(BARS, matrix=6, full=False, bits=bits)).max() <= 1


def test_what_is_transparent_is_laid_over_black(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = codes(BARS, matrix=6, full=False, bits=8).astype(np.uint8)
    opaque = np.array([255, 0, 255, 128, 255, 0, 255, 255], np.uint8)
    rows = [drawn(values[:, 0], WIDE), drawn(values[:, 1], WIDE // 2), drawn(values[:, 2], WIDE // 2)]
    clip = write(tmp_path / "a.mkv", "yuva420p", [*rows, drawn(opaque, WIDE)], {"colorspace": 6, "color_range": 1})
    upscale(clip, tmp_path / "out.mkv")
    found, _ = bars_of(tmp_path / "out.mkv")
    expected = codes(BARS * (opaque / 255)[:, None], matrix=6, full=False, bits=8)
    assert np.abs(found - expected).max() <= 1
    assert "transparency is composited over black" in caplog.text


def test_so_are_grays(tmp_path: Path) -> None:
    grays, opaque = np.linspace(30, 230, 8).astype(np.uint8), np.array([255, 0, 255, 128, 255, 0, 255, 255], np.uint8)
    both = np.stack([drawn(grays, WIDE), drawn(opaque, WIDE)], 1).reshape(-1)
    clip = write(tmp_path / "a.mov", "ya8", [both], {}, encoder="png")
    upscale(clip, tmp_path / "out.mkv")
    found, picture = bars_of(tmp_path / "out.mkv")
    assert picture.color_range == 2
    assert np.abs(found[:, 0] - grays * (opaque / 255)).max() <= 1
    assert np.abs(found[:, 1:] - 128).max() <= 1


class TestHdr:
    TAGS = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}  # noqa: RUF012
    DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"

    def hdr10(self, path: Path, more: str = "", display: str = DISPLAY, **how: Any) -> Path:
        params = f"lossless=1:log-level=none:master-display={display}:max-cll=1000,400{more}"
        values = codes(BARS, matrix=9, full=False, bits=10).astype(np.uint16)
        rows = [drawn(values[:, k], WIDE // 2 if k else WIDE) for k in range(3)]
        options = {"x265-params": params, "preset": "ultrafast"}
        return write(path, "yuv420p10le", rows, self.TAGS, encoder="libx265", options=options, **how)

    @pytest.mark.parametrize("codec", ["auto", "hevc", "h264", "av1"])
    def test_ten_bits_tags_and_static_metadata_are_kept(self, codec: str, tmp_path: Path) -> None:
        clip = self.hdr10(tmp_path / "in.mp4")
        more = {"preset": "12", "crf": 10} if codec == "av1" else {}
        upscale(clip, tmp_path / "out.mp4", codec=codec, **more)
        found, picture = bars_of(tmp_path / "out.mp4")
        assert np.abs(found - codes(BARS, matrix=9, full=False, bits=10)).max() <= (2 if codec == "av1" else 1)
        assert {name: getattr(picture, name) for name in self.TAGS} == self.TAGS
        with av.open(str(clip)) as before, av.open(str(tmp_path / "out.mp4")) as after:
            expected, kept = (hdr_of(next(container.decode(video=0))) for container in (before, after))
            name = {"auto": "hevc", "av1": "av1"}.get(codec, codec)
            context = after.streams.video[0].codec_context
            assert context.codec.canonical_name == name
            assert context.codec_tag == {"hevc": "hvc1", "h264": "avc1", "av1": "av01"}[name]
        assert expected is not None and kept is not None
        assert expected.light == kept.light == (1000, 400)
        assert expected.mastering is not None and kept.mastering is not None
        for side in ("red", "green", "blue", "white"):
            assert getattr(kept.mastering, side) == pytest.approx(getattr(expected.mastering, side), abs=1e-4)
        assert kept.mastering.most == 1000
        assert float(kept.mastering.least) == pytest.approx(0.005, rel=0.05)

    @pytest.mark.parametrize("sited", ["left", "center", "topleft"])
    @pytest.mark.parametrize("codec", ["hevc", "h264"])
    def test_chroma_stays_where_the_headers_say_that_it_sits(self, sited: str, codec: str, tmp_path: Path) -> None:
        clip = self.hdr10(tmp_path / "in.mkv", f":chromaloc={('left', 'center', 'topleft').index(sited)}")
        upscale(clip, tmp_path / "out.mkv", codec=codec)
        with av.open(str(tmp_path / "out.mkv")) as result:
            assert (chroma_location(result.streams.video[0]) or "left") == sited

    def test_a_display_that_can_not_be_is_damage(self, tmp_path: Path) -> None:
        clip = self.hdr10(tmp_path / "in.mkv", display=self.DISPLAY.replace("13250", "65000"))
        assert upscale(clip, tmp_path / "out.mkv").frames == 3
        with av.open(str(tmp_path / "out.mkv")) as result:
            found = hdr_of(next(result.decode(video=0)))
        assert found is not None
        assert (found.mastering, found.light) == (None, (1000, 400))

    def test_of_dolby_vision_the_base_layer_is_taken_and_it_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        clip = self.hdr10(tmp_path / "in.mp4", tag="hev1")
        clip.write_bytes(clip.read_bytes().replace(b"hev1", b"dvhe"))
        summary = upscale(clip, tmp_path / "out.mp4")
        assert summary.frames == 3
        assert "the base layer of Dolby Vision is upscaled" in caplog.text

    def test_int8_is_too_coarse_for_ten_bits(self, tmp_path: Path) -> None:
        clip = source(tmp_path / "in.mkv", "yuv420p10le", matrix=9, full=False)
        preset = (
            load_preset("file").updated("graph", mode="threads").updated("engine", name="openvino", precision="int8")
        )
        with pytest.raises(OptionError, match="10 bits are too fine for int8"):
            Job(clip, tmp_path / "out.mkv", preset=preset).run()
