"""Test sets, metrics and protocols."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from full_disks import full_disk
from skimage import data as photographs
from skimage.metrics import structural_similarity

from sr4k.errors import InputError, OutputError
from sr4k.models.quality import Protocol
from sr4k.models.quality.contact_sheet import ContactSheet
from sr4k.models.quality.fid import FrechetSets
from sr4k.models.quality.metrics import chroma, psnr, ssim
from sr4k.models.quality.protocol import Quality, as_protocol, bicubic, compare, mean
from sr4k.models.quality.testset import PicturePair, pictures_of, shrunk_pairs
from sr4k.models.resize import imresize


def write(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[..., ::-1])


def test_high_resolution_alone_is_cropped_and_downscaled(tmp_path: Path) -> None:
    write(tmp_path / "one.png", photographs.astronaut()[:61, :47])
    (picture,) = pictures_of(tmp_path, scale=3)
    assert picture.name == "one"
    assert picture.high.shape == (60, 45, 3)
    assert np.array_equal(picture.low, imresize(picture.high, 20, 15))


def test_div2ks_layout_is_read_as_it_is(tmp_path: Path) -> None:
    high = photographs.astronaut()[:60, :48]
    low = 255 - imresize(high, 30, 24)  # differs from a downscaled picture
    write(tmp_path / "DIV2K_valid_HR" / "0801.png", high)
    write(tmp_path / "DIV2K_valid_LR_bicubic" / "X2" / "0801x2.png", low)
    (picture,) = pictures_of(tmp_path)
    assert picture.name == "0801"
    assert np.array_equal(picture.high, high) and np.array_equal(picture.low, low)


def test_a_missing_low_resolution_is_named(tmp_path: Path) -> None:
    write(tmp_path / "DIV2K_valid_HR" / "0801.png", photographs.astronaut()[:60, :48])
    with pytest.raises(InputError, match=r"X2/0801x2\.png"):
        list(pictures_of(tmp_path))


def test_a_low_resolution_of_another_size_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "DIV2K_valid_HR" / "0801.png", photographs.astronaut()[:60, :48])
    write(tmp_path / "DIV2K_valid_LR_bicubic" / "X2" / "0801x2.png", photographs.astronaut()[:40, :40])
    with pytest.raises(InputError, match="isn't 2 times as large"):
        list(pictures_of(tmp_path))


def test_one_level_of_error_is_48_db() -> None:
    a = np.full((40, 40), 100.0)
    assert psnr(a, a + 1) == pytest.approx(48.13, abs=0.01)
    assert psnr(a, a) == float("inf")


def test_structural_similarity_by_its_formula() -> None:
    """Two flat pictures have only the luminance term, (2ab + C1) / (a^2 + b^2 + C1) with C1 = (0.01 * 255)^2."""
    a, b = np.full((32, 32, 3), 100, np.uint8), np.full((32, 32, 3), 140, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 140 + c1) / (100**2 + 140**2 + c1), abs=1e-4)


def test_structural_similarity_as_scikit_image_has_it() -> None:
    a = photographs.coffee()
    b = np.clip(a.astype(int) + np.random.default_rng(0).integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    theirs = structural_similarity(
        a, b, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-5)


def test_the_usual_protocol_compares_luma_without_the_border() -> None:
    high = photographs.astronaut()[:64, :64].copy()
    spoilt = high.copy()
    spoilt[:2], spoilt[:, -2:] = 0, 255
    assert compare(spoilt, high, "usual", 2) == Quality(float("inf"), pytest.approx(1.0), float("inf"))
    assert compare(spoilt, high, "usual", 1).psnr < 40


@pytest.mark.slow
def test_the_cards_protocol_compares_all_colours_at_4k() -> None:
    high = photographs.astronaut()
    picture = as_protocol(PicturePair("astronaut", high, imresize(high, 256, 256)), "card")
    assert picture.low.shape == (1080, 1920, 3)
    assert picture.high.shape == (2160, 3840, 3)
    tinted = picture.high.copy()
    tinted[..., 2] ^= 8
    assert compare(tinted, picture.high, "card", 2).psnr == pytest.approx(psnr(tinted, picture.high))


def test_bicubic_scores_as_published_on_set5s_protocol() -> None:
    assert mean([Quality(30, 0.8, 40), Quality(40, 0.9, 44)]) == Quality(35, pytest.approx(0.85), 42)
    high = photographs.chelsea()[:200, :200]
    upscaled = bicubic(imresize(high, 100, 100))
    assert 30 < compare(upscaled, high, "usual", 2).psnr < 45


def test_a_contact_sheet_shows_the_most_detailed_window_of_each_version(tmp_path: Path) -> None:
    truth = np.full((300, 400, 3), 128, np.uint8)
    truth[150:250, 250:350] = np.random.default_rng(0).integers(0, 255, (100, 100, 3))
    flat = np.full_like(truth, 30)
    rows = ContactSheet()
    for _ in range(2):
        rows.add("noise", {"flat": flat, "ground truth": truth})
    rows.write(tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape == (2 * (24 + 288), 2 * 288, 3)
    assert (sheet[24:312, :288] == 30).all()
    assert sheet[24:312, 288:].std() > 60


def test_a_sheet_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    sheet = ContactSheet()
    sheet.add("a", {"b": picture})
    with pytest.raises(OutputError, match="can't be written"):
        sheet.write(tmp_path / "nowhere" / "sheet.png")
    with pytest.raises(OutputError, match=r"is it a \.png"):
        sheet.write(tmp_path / "sheet.txt")
    (tmp_path / "sheet.png").write_bytes(b"before")
    with full_disk(100), pytest.raises(OutputError, match=r"sheet\.png can't be written \(File too large\)"):
        sheet.write(tmp_path / "sheet.png")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_sets_for_which_there_is_no_room_are_an_error_rather_than_another_distance(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    sets = FrechetSets(tmp_path / "weights", tmp_path)
    sets.add("bicubic", picture)
    with full_disk(1000), pytest.raises(OutputError, match=r"bicubic/00001\.png can't be written"):
        sets.add("bicubic", picture)
    assert [path.name for path in (tmp_path / "bicubic").iterdir()] == ["00000.png"]
    assert (cv2.imread(str(tmp_path / "bicubic" / "00000.png")) == picture[..., ::-1]).all()


@pytest.mark.parametrize(("suffix", "begin"), [(".jpg", b"\xff\xd8"), (".tiff", b"II*"), (".webp", b"RIFF")])
def test_a_sheet_is_of_the_kind_that_its_name_says(suffix: str, begin: bytes, tmp_path: Path) -> None:
    sheet = ContactSheet()
    sheet.add("a", {"b": np.zeros((100, 100, 3), np.uint8)})
    sheet.write(tmp_path / f"sheet{suffix}")
    assert (tmp_path / f"sheet{suffix}").read_bytes().startswith(begin)


@pytest.mark.parametrize("protocol", ["usual", "card"])
def test_wrong_colours_show_in_the_figures_even_if_luma_is_right(protocol: Protocol) -> None:
    """Such colours come from decoding with other matrix coefficients than were used for encoding."""
    high = photographs.coffee()[:64, :64].copy()
    red, blue = (high[..., k].astype(float) for k in (0, 2))
    off = high.copy()
    off[..., 0] = np.clip(np.rint(red + 12), 0, 255)
    off[..., 1] = np.clip(np.rint(high[..., 1] - 12 * 65.481 / 128.553), 0, 255)
    off[..., 2] = np.clip(np.rint(blue), 0, 255)
    found = compare(off, high, protocol, 2)
    assert found.chroma < 34
    assert protocol == "card" or found.psnr > 45


def test_gray_has_no_chroma_at_all() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    assert (chroma(levels) == 128).all()


def test_the_means_leave_out_what_is_equal() -> None:
    equal = Quality(np.inf, 1, np.inf)
    assert mean([Quality(30, 0.8, 40), equal]) == Quality(30, pytest.approx(0.9), 40)
    assert mean([equal]) == equal


def test_pictures_too_small_to_be_halved_are_left_out_of_training_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "line.png", photographs.astronaut()[:1, :60])
    with pytest.raises(InputError, match="a side of less than 2 pixels"):
        list(shrunk_pairs([tmp_path]))
    write(tmp_path / "one.png", photographs.astronaut()[:5, :7])
    assert [(path.name, low.shape) for path, _, low in shrunk_pairs([tmp_path])] == [("one.png", (2, 3, 3))]
    write(tmp_path / "two.png", photographs.astronaut()[:6, :6])
    assert [path.name for path, *_ in shrunk_pairs([tmp_path], least=6)] == ["two.png"]
    with pytest.raises(InputError, match="a side of less than 7 pixels"):
        list(shrunk_pairs([tmp_path], least=7))
    assert caplog.messages == [
        "1 picture is left out: it is smaller than 2x2 pixels.",
        "2 pictures are left out: they are smaller than 6x6 pixels.",
    ]


def test_chroma_is_that_of_bt601() -> None:
    rgb = np.array([[[255, 0, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
    assert np.rint(chroma(rgb)).tolist() == [[[90, 240], [240, 110], [128, 128]]]
