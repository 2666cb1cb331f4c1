"""Single pictures and image sequences, through whole jobs."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip, luma_planes, picture, video_times
from numpy.typing import NDArray
from typer.testing import CliRunner

from sr4k import Job, Summary, Upscaler, load_preset
from sr4k.cli.main import app
from sr4k.common.picture_suffixes import READABLE, WRITABLE
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.jobs.parse import parse_rate
from sr4k.media.options import TimeSpan
from sr4k.media.planes import rows_of
from sr4k.models.quality.metrics import psnr
from sr4k.probing import probe
from sr4k.stages.encode_images import _KINDS

THREADS = load_preset("file").updated("graph", mode="threads")
NEAREST = THREADS.updated("engine", name="nearest")

Pixels = NDArray[np.uint8]


def upscale(source: Path, target: Path, **job: Any) -> Summary:
    return Job(source, target, preset=job.pop("preset", NEAREST), **job).run()


def read(path: Path) -> Pixels:
    """Red, green, blue and, if it has it, transparency, as they are in the file, but in 8 bits."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert pixels is not None, path
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257)
    return np.asarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels, np.uint8)


def write(path: Path, pixels: Pixels) -> Path:
    assert cv2.imwrite(str(path), pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels)
    return path


def doubled(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


def specks(width: int = 20, height: int = 14, seed: int = 0) -> Pixels:
    """Every pixel of another colour: what 4:2:0 can't hold."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(20, 14), (21, 15), (2, 2), (1, 1), (3, 1)])
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_every_pixel_keeps_its_colour(suffix: str, size: tuple[int, int], tmp_path: Path) -> None:
    source = write(tmp_path / "in.png", specks(*size))
    summary = upscale(source, tmp_path / f"out.{suffix}")
    assert np.array_equal(read(tmp_path / f"out.{suffix}")[..., :3], doubled(specks(*size)))
    assert (summary.frames, summary.damaged, summary.left_out) == (1, False, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", f"out.{suffix}"]


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_jpeg_keeps_fine_colours_as_well_as_it_can(suffix: str, tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(picture(3, 64, 48), (0, 0), 1.5).astype(np.uint8)
    source = write(tmp_path / "in.png", soft)
    upscale(source, tmp_path / f"out.{suffix}")
    assert psnr(read(tmp_path / f"out.{suffix}"), doubled(soft)) > 38


@pytest.mark.parametrize(
    ("mode", "parameters"),
    [
        ("4:2:0", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x221111]),
        ("4:2:2", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x211111]),
        ("4:4:4", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]),
        ("gray", []),
    ],
)
def test_jpeg_of_any_kind_is_read_in_its_colours(mode: str, parameters: list[int], tmp_path: Path) -> None:
    flat = np.full((48, 64, 3), (200, 90, 40), np.uint8) if mode != "gray" else np.full((48, 64), 77, np.uint8)
    assert cv2.imwrite(
        str(tmp_path / "in.jpg"),
        flat[..., ::-1] if flat.ndim == 3 else flat,
        [cv2.IMWRITE_JPEG_QUALITY, 100, *parameters],
    )
    upscale(tmp_path / "in.jpg", tmp_path / "out.png")
    made = read(tmp_path / "out.png").astype(int)
    assert np.abs(made - (flat[0, 0] if flat.ndim == 3 else 77)).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_transparency_is_kept(suffix: str, tmp_path: Path) -> None:
    pixels = np.dstack([picture(0, 40, 30), np.tile(np.linspace(0, 255, 40).astype(np.uint8), (30, 1))])
    source = write(tmp_path / "in.png", pixels)
    upscale(source, tmp_path / f"out.{suffix}")
    made = read(tmp_path / f"out.{suffix}")
    assert made.shape == (60, 80, 4)
    assert np.abs(made[..., 3].astype(int) - doubled(pixels[..., 3])).max() <= 5
    seen = made[..., 3] > 0  # WebP drops the colours of what can't be seen
    assert np.array_equal(made[seen][:, :3], doubled(pixels)[seen][:, :3])


def test_transparency_that_cannot_be_kept_is_laid_over_black(tmp_path: Path) -> None:
    picture = np.full((32, 48, 4), 200, np.uint8)
    picture[..., 3] = np.repeat([0, 128, 255], 16).astype(np.uint8)
    summary = upscale(write(tmp_path / "in.png", picture), tmp_path / "out.jpg")
    assert summary.left_out == ["transparency can't be carried by .jpg, and is laid over black"]
    assert read(tmp_path / "out.jpg")[32, [16, 48, 80], 1] == pytest.approx([0, 100, 200], abs=2)


def test_webp_has_its_colours_where_libwebp_has_them(tmp_path: Path) -> None:
    from skimage import data as pictures

    source = tmp_path / "in.webp"
    assert cv2.imwrite(str(source), pictures.astronaut()[100:229, 100:241, ::-1], [cv2.IMWRITE_WEBP_QUALITY, 100])
    upscale(source, tmp_path / "out.png")
    apart = np.abs(read(tmp_path / "out.png")[::2, ::2].astype(int) - read(source))
    assert apart.mean() < 0.35


@pytest.mark.parametrize(("source", "target"), [("png", "png"), ("tif", "png"), ("png", "tif")])
def test_gray_stays_gray_and_is_that_of_an_upscaler(source: str, target: str, tmp_path: Path) -> None:
    write(tmp_path / f"in.{source}", specks()[..., 0])
    gray = read(tmp_path / f"in.{source}")
    upscale(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    made = read(tmp_path / f"out.{target}")
    with Upscaler(engine="nearest") as up:
        np.testing.assert_array_equal(made, up(gray))
    np.testing.assert_array_equal(made, doubled(gray))


def test_jpeg_without_colour_becomes_gray(tmp_path: Path) -> None:
    write(tmp_path / "in.jpg", specks()[..., 0])
    upscale(tmp_path / "in.jpg", tmp_path / "out.png")
    apart = read(tmp_path / "out.png").astype(int) - doubled(read(tmp_path / "in.jpg"))
    assert np.abs(apart).max() <= 1  # OpenCV and libav decode JPEG differently


def test_gray_is_written_as_colours_where_the_format_has_no_gray(tmp_path: Path) -> None:
    gray = specks()[..., 0]
    upscale(write(tmp_path / "in.png", gray), tmp_path / "out.webp")
    assert np.array_equal(read(tmp_path / "out.webp")[..., :3], np.dstack([doubled(gray)] * 3))


def test_gray_that_shows_through_stays_gray_and_colours_that_are_all_gray_stay_colours(tmp_path: Path) -> None:
    gray = specks()[..., :2]
    upscale(png(tmp_path / "in.png", gray), tmp_path / "out.png")
    assert np.array_equal(read(tmp_path / "out.png")[..., :3], np.dstack([doubled(gray[..., 0])] * 3))
    assert probe(tmp_path / "out.png").video["pixel_format"] == "ya8"
    colours = np.dstack([gray[..., 0]] * 3)
    upscale(write(tmp_path / "rgb.png", colours), tmp_path / "out.png", overwrite=True)
    assert np.array_equal(read(tmp_path / "out.png"), doubled(colours))


def png(path: Path, pixels: NDArray[Any]) -> Path:
    """Write gray with alpha, (H, W, 2), which OpenCV can't."""
    deep = pixels.dtype == np.uint16
    rows = b"".join(b"\0" + (row.astype(">u2") if deep else row).tobytes() for row in pixels)
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 16 if deep else 8, 4, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


@pytest.mark.slow(seconds=2)
@pytest.mark.parametrize(
    ("model", "dtype", "target", "form"),
    [
        ("rcan", "uint8", "png", "gray"),
        ("rcan2", "uint16", "png", "gray16be"),
        ("rcan2", "uint8", "tif", "gray"),
        ("rcan2", "uint8", "webp", "argb"),  # which has no gray: red, green and blue are equal
    ],
)
def test_gray_stays_gray_with_networks_that_make_colours_of_it(
    model: str, dtype: str, target: str, form: str, tmp_path: Path
) -> None:
    gray = picture(3, 24, 16)[..., 1].astype(dtype) * np.array(257 if dtype == "uint16" else 1, dtype)
    assert cv2.imwrite(str(tmp_path / "in.png"), gray)
    upscale(tmp_path / "in.png", tmp_path / f"out.{target}", preset=THREADS, model=model)
    assert probe(tmp_path / f"out.{target}").video["pixel_format"] == form
    made = cv2.imread(str(tmp_path / f"out.{target}"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    with Upscaler(model) as up:
        expected = up(gray)
        assert np.ptp(up(np.dstack([gray] * 3)), axis=2).max() > 0
    if target == "webp":
        made, expected = made[..., :3], np.dstack([expected] * 3)
    np.testing.assert_array_equal(made, expected)


@pytest.mark.slow(seconds=2)
def test_gray_with_alpha_stays_that_with_such_a_network_at_any_size(tmp_path: Path) -> None:
    gray = picture(3, 24, 16)[..., 1]
    source = png(tmp_path / "in.png", np.dstack([gray, gray[::-1]]))
    upscale(source, tmp_path / "out.png", preset=THREADS, model="rcan2", scale=1.5)
    assert probe(tmp_path / "out.png").video["pixel_format"] == "ya8"
    with Upscaler("rcan2", scale=1.5) as up:
        np.testing.assert_array_equal(read(tmp_path / "out.png")[..., 0], up(gray))


def test_of_a_sequence_each_picture_is_gray_or_not_as_its_source_is(tmp_path: Path) -> None:
    gray, colours = specks()[..., 0], specks()
    for first, second in ((gray, colours), (colours, gray)):
        write(tmp_path / "in1.png", first)
        write(tmp_path / "in2.png", second)
        upscale(tmp_path / "in%d.png", tmp_path / "out%d.png", overwrite=True)
        assert np.array_equal(read(tmp_path / "out1.png"), doubled(first))
        assert np.array_equal(read(tmp_path / "out2.png"), doubled(second))


def exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHHI", 0x0112, 3, 1, orientation, 0, 0)


def with_exif(jpeg: Path, orientation: int) -> None:
    """Give a JPEG file the tag that cameras write."""
    segment = b"Exif\0\0" + exif(orientation)
    data = jpeg.read_bytes()
    jpeg.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])


def webp_with_exif(path: Path, pixels: Pixels, orientation: int, quality: int) -> Path:
    """Write a WebP picture with that tag; a quality above 100 is lossless."""
    assert cv2.imwrite(str(path), pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    sides = (pixels.shape[1] - 1).to_bytes(3, "little") + (pixels.shape[0] - 1).to_bytes(3, "little")
    tags = exif(orientation)
    head = b"VP8X" + struct.pack("<II", 10, 0x08) + sides
    body = b"WEBP" + head + path.read_bytes()[12:] + b"EXIF" + struct.pack("<I", len(tags)) + tags
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_turned_cameras_become_upright(orientation: int, tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(picture(5, 64, 48), (0, 0), 2).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "in.jpg"), soft[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    with_exif(tmp_path / "in.jpg", orientation)
    seen = cv2.imread(str(tmp_path / "in.jpg"), cv2.IMREAD_COLOR)  # OpenCV turns it
    assert seen is not None
    summary = upscale(tmp_path / "in.jpg", tmp_path / "out.png")
    made = read(tmp_path / "out.png")
    assert made.shape == ((96, 128, 3) if orientation < 5 else (128, 96, 3))
    assert (summary.video.height, summary.video.width) == made.shape[:2]
    upscale(tmp_path / "in.jpg", tmp_path / "box.png", size="101x67", fit="pad")
    assert read(tmp_path / "box.png").shape == (67, 101, 3)
    assert psnr(made, doubled(seen[..., ::-1].astype(np.uint8))) > 30


@pytest.mark.parametrize(("quality", "apart"), [(101, 0), (100, 3)], ids=["lossless", "lossy"])
def test_webp_with_exif_becomes_upright_alone_and_in_a_sequence(quality: int, apart: float, tmp_path: Path) -> None:
    soft = cv2.GaussianBlur(picture(5, 64, 48), (0, 0), 2).astype(np.uint8)
    for number in (1, 2):
        webp_with_exif(tmp_path / f"{number}.webp", soft, 6, quality)
    assert probe(tmp_path / "1.webp").video["rotation"] == -90
    upscale(tmp_path / "1.webp", tmp_path / "one.png")
    upscale(tmp_path / "%d.webp", tmp_path / "%d.png")
    for name in ("one", "1", "2"):
        made = read(tmp_path / f"{name}.png").astype(int)
        assert np.abs(made - np.rot90(doubled(soft), -1)).mean() <= apart


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    write_palette(tmp_path / "in.png")
    upscale(tmp_path / "in.png", tmp_path / "out.png")
    made = read(tmp_path / "out.png")
    assert [made[1, x].tolist() for x in (1, 30)] == [[255, 0, 0, 255], [0, 0, 255, 100]]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_palette(path: Path) -> None:
    """A row of red, and of a blue that shows through."""
    head = struct.pack(">IIBBBBB", 16, 1, 8, 3, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"PLTE", b"\xff\0\0\0\0\xff"),
        (b"tRNS", b"\xff\x64"),
        (b"IDAT", zlib.compress(bytes([0] * 9 + [1] * 8))),
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts) + chunk(b"IEND", b""))


def deep(channels: int, width: int = 21, height: int = 15) -> NDArray[np.uint16]:
    """16 bits, gray (H, W), BGR or BGRA: every pixel another, and hardly one that 8 or 10 bits could hold."""
    pixels = np.random.default_rng(channels).integers(0, 65536, (height, width, channels), np.uint16)
    return pixels[..., 0] if channels == 1 else pixels


@pytest.mark.parametrize("size", [{}, {"scale": 1.5}, {"scale": 3}], ids=str)
@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_and_are_those_of_an_upscaler(
    channels: int, suffix: str, size: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = deep(channels)
    assert cv2.imwrite(str(tmp_path / f"in.{suffix}"), pixels)
    summary = upscale(tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}", **size)
    made = cv2.imread(str(tmp_path / f"out.{suffix}"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    with Upscaler(engine="nearest", **size) as up:
        expected = up(pixels[..., :3] if channels > 1 else pixels, order="bgr")
    np.testing.assert_array_equal(made[..., :3] if channels > 1 else made, expected)
    assert made.dtype == np.uint16
    if not size:
        np.testing.assert_array_equal(expected, doubled(pixels[..., :3] if channels > 1 else pixels))
    if channels == 4:
        ratio = size.get("scale", 2)
        wide = cv2.resize(pixels[..., 3], (int(21 * ratio + 0.5), int(15 * ratio + 0.5)), interpolation=cv2.INTER_CUBIC)
        np.testing.assert_array_equal(made[..., 3], wide)
    assert summary.left_out == [] and "bits" not in caplog.text


def test_sixteen_bits_of_gray_with_alpha_stay(tmp_path: Path) -> None:
    gray, alpha = deep(3)[..., 0], deep(3)[..., 1]
    upscale(png(tmp_path / "in.png", np.dstack([gray, alpha])), tmp_path / "out.png")
    made = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    np.testing.assert_array_equal(made[..., :3], doubled(np.dstack([gray] * 3)))
    wide = cv2.resize(alpha, (42, 30), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(made[..., 3], wide)


def test_sixteen_bits_that_the_format_can_not_hold_become_eight_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "in.png"
    assert cv2.imwrite(str(source), specks()[..., ::-1].astype(np.uint16) * 257)
    summary = upscale(source, tmp_path / "out.webp")
    assert np.array_equal(read(tmp_path / "out.webp")[..., :3], doubled(specks()))
    assert "precision beyond 8 bits can't be carried by .webp; left out" in caplog.text
    assert summary.left_out == ["precision beyond 8 bits can't be carried by .webp"]


def test_sequences_keep_sixteen_bits_and_a_video_of_them_has_ten_which_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        assert cv2.imwrite(str(tmp_path / f"in{number}.png"), deep(3, 32, 24))
    upscale(tmp_path / "in%d.png", tmp_path / "out%d.png")
    made = cv2.imread(str(tmp_path / "out0.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None
    np.testing.assert_array_equal(made, doubled(deep(3, 32, 24)))
    assert "reduced" not in caplog.text
    upscale(tmp_path / "in%d.png", tmp_path / "out.mkv")
    assert "frames of 16 bits are reduced to 10" in caplog.text
    with av.open(str(tmp_path / "out.mkv")) as video:
        assert next(video.decode(video=0)).format.name == "yuv420p10le"


def test_pictures_of_a_video_of_ten_bits_have_all_of_them(tmp_path: Path) -> None:
    levels = np.linspace(64, 940, 877).round().astype(np.uint16)  # of luma, limited range
    ramp = np.broadcast_to(np.repeat(levels, 2), (4, 1754))
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        video = out.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 1754, 4, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(ramp.copy(), format="gray10le").reformat(format="yuv420p10le")
        for plane, values in zip(frame.planes, (ramp, np.full((2, 877), 512), np.full((2, 877), 512)), strict=True):
            rows_of(plane, "uint16")[:, : values.shape[1]] = values
        out.mux([*video.encode(frame), *video.encode(None)])
    assert upscale(tmp_path / "in.mkv", tmp_path / "out.png").left_out == []
    made = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert made is not None and made.dtype == np.uint16
    expected = np.repeat((levels - 64) / 876 * 65535, 4)
    assert np.abs(made[0, :, 1] - expected).max() < 1
    assert len(np.unique(made)) == 877


def test_a_colour_profile_is_left_out_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = write(tmp_path / "in.png", specks())
    data, profile = source.read_bytes(), struct.pack(">I", 140) + bytes(136)
    head = 8 + 25  # signature and header
    source.write_bytes(data[:head] + chunk(b"iCCP", b"mine\0\0" + zlib.compress(profile)) + data[head:])
    summary = upscale(source, tmp_path / "out.png")
    assert "its ICC profile is left out" in caplog.text
    assert summary.source.expected_frames == 1


def test_a_tiff_that_libav_would_read_as_black_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    assert cv2.imwrite(str(source), np.full((32, 48, 3), 200, np.uint8), [cv2.IMWRITE_TIFF_COMPRESSION, 7])
    with pytest.raises(InputError, match=r"no picture could be decoded \(TIFF that is compressed as JPEG\)"):
        upscale(source, tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


def test_of_a_tiff_of_several_pages_the_first_is_read_and_it_is_said(tmp_path: Path) -> None:
    assert cv2.imwritemulti(str(tmp_path / "in.tif"), [specks(seed=page) for page in (0, 1, 2)])
    assert upscale(tmp_path / "in.tif", tmp_path / "out.png").left_out == ["its pages after the first can't be kept"]
    assert np.array_equal(read(tmp_path / "out.png"), doubled(specks()[..., ::-1]))
    data = (tmp_path / "in.tif").read_bytes()
    of_a_page, of_a_thumbnail = struct.pack("<HHII", 254, 4, 1, 2), struct.pack("<HHII", 254, 4, 1, 1)
    assert data.count(of_a_page) == 3
    (tmp_path / "in.tif").write_bytes(data.replace(of_a_page, of_a_thumbnail))
    assert upscale(tmp_path / "in.tif", tmp_path / "out.png", overwrite=True).left_out == []


def test_options_of_videos_are_not_for_pictures(tmp_path: Path) -> None:
    source = write(tmp_path / "in.png", specks())
    done = CliRunner().invoke(app, ["stream", str(source), str(tmp_path / "out.png"), "--crf", "20"])
    assert done.exit_code == 2
    assert "Pictures have no --codec, --crf" in done.output


@pytest.mark.parametrize("pix_fmt", ["ya8", "ya16be", "yuva420p", "yuva444p10le", "rgba", "pal8"])
def test_what_shows_through_keeps_its_colour(pix_fmt: str, tmp_path: Path) -> None:
    """Whatever form it comes in: nothing is laid over black that can stay transparent."""
    half = np.dstack([np.full((32, 32, 3), 200, np.uint8), np.full((32, 32), 128, np.uint8)])
    source = tmp_path / ("in.png" if pix_fmt[0] in "yrp" and "yuva" not in pix_fmt else "in.mkv")
    with av.open(str(source), "w", format=None if source.suffix == ".mkv" else "image2") as out:
        video = out.add_stream("ffv1" if source.suffix == ".mkv" else "png", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "rgba" if pix_fmt == "pal8" else pix_fmt
        one = av.VideoFrame.from_ndarray(half, format="rgba").reformat(format=video.pix_fmt)
        out.mux([*video.encode(one), *video.encode(None)])
    if pix_fmt == "pal8":
        write_faint(source)
    upscale(source, tmp_path / "out.png")
    made = read(tmp_path / "out.png")
    assert np.abs(made[20, 20, :3].astype(int) - 200).max() <= 2
    assert abs(int(made[20, 20, 3]) - 128) <= 1
    upscale(source, tmp_path / "out.jpg")
    assert np.abs(read(tmp_path / "out.jpg")[20, 20].astype(int) - 100).max() <= 3


def write_faint(path: Path) -> None:
    """A palette of one colour, half transparent."""
    head = struct.pack(">2I5B", 32, 32, 8, 3, 0, 0, 0)
    rows = zlib.compress(bytes(33 * 32))
    parts = [(b"IHDR", head), (b"PLTE", bytes([200] * 3)), (b"tRNS", bytes([128])), (b"IDAT", rows), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def test_of_a_sequence_each_is_as_transparent_as_it_was(tmp_path: Path) -> None:
    opaque = np.full((16, 16, 4), 255, np.uint8)
    half = np.full((16, 16, 4), 128, np.uint8)
    for number, pixels in enumerate([opaque, half, opaque]):
        write(tmp_path / f"in{number}.png", pixels)
    summary = upscale(tmp_path / "in%d.png", tmp_path / "out%d.png")
    made = [read(tmp_path / f"out{number}.png") for number in range(3)]
    assert [one[8, 8].tolist() for one in made] == [[255] * 3, [128] * 4, [255] * 3]
    assert summary.left_out == []


@pytest.mark.parametrize("target", ["out%d.png", "out.mkv"])
def test_pictures_in_several_passes_are_whole_and_not_deinterlaced(target: str, tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[::2] = 255
    for number in range(3):
        write_in_passes(tmp_path / f"in{number}.png", pixels)
    summary = upscale(
        tmp_path / "in%d.png",
        tmp_path / target,
        preset=NEAREST.updated("encode", crf=0) if "mkv" in target else NEAREST,
    )
    assert summary.source.interlaced == 0
    if target == "out.mkv":
        assert all(np.ptp(luma[::4].astype(int)) < 3 and luma[0, 0] > 230 for luma in luma_planes(tmp_path / target))
    else:
        assert all(np.array_equal(read(tmp_path / f"out{n}.png"), doubled(pixels)) for n in range(3))
    assert not probe(tmp_path / "in%d.png").video["interlaced"]


def write_in_passes(path: Path, pixels: Pixels) -> None:
    """Adam7, which no encoder at hand writes."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [b"\0" + row.tobytes() for top, left, down, right in passes for row in pixels[top::down, left::right]]
    head = struct.pack(">2I5B", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 1)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


@pytest.mark.parametrize(
    ("turn", "expected"), [([0, 65536, -65536, 0], Fraction(3, 4)), ([-65536, 0, 0, -65536], Fraction(4, 3))]
)
def test_the_shape_of_pixels_turns_with_them(
    turn: list[int], expected: Fraction, make_clip: MakeClip, tmp_path: Path
) -> None:
    a, b, c, d = turn
    matrix = [a, b, 0, c, d, 0, 0, 0, 1 << 30]
    source = make_clip("in.mp4", frames=1, audio=False, sample_aspect_ratio=Fraction(4, 3), display_matrix=matrix)
    upscale(source, tmp_path / "out.png")
    with av.open(str(tmp_path / "out.png")) as made:
        stream = made.streams.video[0]
        assert (stream.width < stream.height) == (expected < 1)
        assert abs(float(stream.sample_aspect_ratio) - float(expected)) < 1e-4


class TestSequences:
    @staticmethod
    def make(folder: Path, numbers: list[int], name: str = "%03d.png") -> list[Pixels]:
        folder.mkdir(exist_ok=True)
        made = [specks(seed=number) for number in numbers]
        for number, pixels in zip(numbers, made, strict=True):
            write(folder / (name % number), pixels)
        return made

    @pytest.mark.parametrize("name", ["%05d.png", "shot_%d.png", "%03d.left.png"])
    @pytest.mark.parametrize("first", [0, 1, 7, 998])
    def test_pictures_keep_their_numbers(self, first: int, name: str, tmp_path: Path) -> None:
        numbers = list(range(first, first + 4))
        pictures = self.make(tmp_path / "in", numbers, name)
        (tmp_path / "out").mkdir()
        summary = upscale(tmp_path / "in" / name, tmp_path / "out" / name)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {name % number for number in numbers}
        for number, pixels in zip(numbers, pictures, strict=True):
            assert np.array_equal(read(tmp_path / "out" / (name % number)), doubled(pixels))
        assert (summary.frames, summary.damaged) == (4, False)

    @pytest.mark.parametrize("first", ["one bit", "gray", "deep gray"])
    def test_pictures_without_colour_take_none_from_those_that_follow(self, first: str, tmp_path: Path) -> None:
        gray = {
            "gray": specks()[..., 0],
            "deep gray": deep(1, 20, 14),
            "one bit": (specks()[..., 0] > 99) * np.uint8(255),
        }
        options = [cv2.IMWRITE_PNG_BILEVEL, 1] if first == "one bit" else []
        assert cv2.imwrite(str(tmp_path / "0.png"), gray[first], options)
        write(tmp_path / "1.png", specks(seed=1))
        upscale(tmp_path / "%d.png", tmp_path / "out%d.png")
        expected = np.rint(gray[first] / (257 if first == "deep gray" else 1)).astype(np.uint8)
        assert np.array_equal(read(tmp_path / "out0.png"), doubled(expected))
        assert np.array_equal(read(tmp_path / "out1.png"), doubled(specks(seed=1)))

    def test_a_part_keeps_them_too(self, tmp_path: Path) -> None:
        self.make(tmp_path, list(range(3, 13)))
        upscale(tmp_path / "%03d.png", tmp_path / "out%d.png", part=TimeSpan(Fraction(4, 25), Fraction(2, 25)))
        assert sorted(path.name for path in tmp_path.glob("out*")) == ["out7.png", "out8.png"]
        assert np.array_equal(read(tmp_path / "out7.png"), doubled(specks(seed=7)))

    def test_a_gap_ends_it_and_is_told(self, tmp_path: Path) -> None:
        self.make(tmp_path / "in", [4, 5, 6, 9, 10])
        (tmp_path / "out").mkdir()
        summary = upscale(tmp_path / "in" / "%03d.png", tmp_path / "out" / "%03d.png")
        assert summary.frames == 3
        assert summary.damaged
        assert summary.losses.reasons == ("007.png is missing, 2 pictures after it are left out",)
        assert summary.losses.missing == 2

    @pytest.mark.parametrize(("last", "rest"), [(6, ""), (7, ", 1 picture after it is left out")])
    def test_an_empty_picture_ends_it_and_is_told(self, last: int, rest: str, tmp_path: Path) -> None:
        self.make(tmp_path / "in", list(range(4, last + 1)))
        (tmp_path / "in" / "006.png").write_bytes(b"")
        (tmp_path / "out").mkdir()
        summary = upscale(tmp_path / "in" / "%03d.png", tmp_path / "out" / "%03d.png")
        assert summary.frames == 2
        assert summary.losses.reasons == (f"006.png is empty{rest}",)
        assert summary.losses.missing == last - 5

    @pytest.mark.parametrize(
        ("rate", "expected"), [(None, 25), (Fraction(24), 24), (Fraction(30000, 1001), Fraction(30000, 1001))]
    )
    def test_a_video_of_pictures(self, rate: Fraction | None, expected: Fraction, tmp_path: Path) -> None:
        self.make(tmp_path / "in", list(range(5, 11)))
        upscale(tmp_path / "in" / "%03d.png", tmp_path / "out.mp4", rate=rate)
        assert video_times(tmp_path / "out.mp4") == [k / Fraction(expected) for k in range(6)]

    def test_pictures_of_a_video(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("in.mkv", frames=3)
        summary = upscale(source, tmp_path / "%02d.png")
        assert [path.name for path in sorted(tmp_path.glob("*.png"))] == ["01.png", "02.png", "03.png"]
        assert summary.left_out == ["stream 1 (audio) can't be carried by pictures"]
        assert read(tmp_path / "01.png").shape == (96, 128, 3)
        # as the video itself is shown
        luma = luma_planes(source)[0].astype(float)
        rgb = read(tmp_path / "01.png")[::2, ::2].astype(float)
        shown = 16 + rgb @ np.array([65.481, 128.553, 24.966]) / 255
        assert np.abs(shown - luma).mean() < 1.5

    def test_sizes_that_differ_keep_their_shape(self, tmp_path: Path) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        for number, (width, height) in enumerate([(20, 14), (40, 28), (14, 14)]):
            write(folder / f"{number}.png", np.full((height, width, 3), (250, 120, 30), np.uint8))
        summary = upscale(folder / "%d.png", tmp_path / "%d.png")
        made = [read(tmp_path / f"{number}.png") for number in range(3)]
        assert {one.shape for one in made} == {(28, 40, 3)}
        assert [int((one[..., 0] > 125).any(axis=0).sum()) for one in made] == [40, 40, 28]
        assert len(summary.source.changes) == 2

    def test_what_is_there_is_not_replaced_unasked(self, tmp_path: Path) -> None:
        self.make(tmp_path / "in", [1, 2])
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "005.png").write_bytes(b"mine")
        with pytest.raises(OutputError, match=r"005\.png exists"):
            upscale(tmp_path / "in" / "%03d.png", tmp_path / "out" / "%03d.png")
        upscale(tmp_path / "in" / "%03d.png", tmp_path / "out" / "%03d.png", overwrite=True)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001.png", "002.png", "005.png"]

    def test_a_failed_job_leaves_nothing(self, tmp_path: Path) -> None:
        self.make(tmp_path / "in", [1, 2, 3])
        (tmp_path / "out").mkdir()
        with pytest.raises(OptionError, match=r"holds one picture, and the source has more.*%05d\.png"):
            upscale(tmp_path / "in" / "%03d.png", tmp_path / "out" / "one.png")
        with pytest.raises(OptionError, match="source itself"):
            upscale(tmp_path / "in" / "%03d.png", tmp_path / "in" / "%03d.png", overwrite=True)
        assert not list((tmp_path / "out").iterdir())

    def test_none_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no file in its folder has such a name"):
            upscale(tmp_path / "%03d.png", tmp_path / "out.mp4")

    @pytest.mark.parametrize("text", ["0", "-1", "fast", "1/0"])
    def test_what_is_no_rate(self, text: str) -> None:
        with pytest.raises(OptionError, match="isn't a frame rate"):
            parse_rate(text)

    def test_a_rate_has_an_end_and_is_for_sequences(self) -> None:
        with pytest.raises(OptionError, match="5000 frames per second are too many: use at most 1000"):
            parse_rate("5000")
        with pytest.raises(OptionError, match="for image sequences"):
            Job("in.mp4", "out.mp4", rate=parse_rate("24"))


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"Pictures can't be written as '\.bmp'"):
        upscale(write(tmp_path / "in.png", specks()), tmp_path / "out.bmp")


@pytest.mark.slow
def test_by_the_command_with_the_network(tmp_path: Path) -> None:
    """The network does better than 4:2:0 could."""
    from skimage import data as pictures

    from sr4k.models.resize import imresize

    high = pictures.astronaut()[128:320, 128:320]
    write(tmp_path / "in.png", imresize(high, 96, 96))
    done = CliRunner().invoke(
        app, ["stream", str(tmp_path / "in.png"), str(tmp_path / "out.png"), "--engine", "openvino"]
    )
    assert done.exit_code == 0, done.output
    bicubic = cv2.resize(imresize(high, 96, 96), (192, 192), interpolation=cv2.INTER_CUBIC)
    assert psnr(read(tmp_path / "out.png"), high) > psnr(bicubic.astype(np.uint8), high) + 0.5


def test_what_is_called_a_picture_that_can_be_written_can_be() -> None:
    assert _KINDS.keys() == WRITABLE <= READABLE
