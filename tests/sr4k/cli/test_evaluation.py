"""``sr4k eval``, ``compare``, ``models`` and ``quantize`` as a user meets them."""

import json
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from skimage import data as photographs
from typer.testing import CliRunner

from sr4k.cli.main import app
from sr4k.models import catalogue, zoo
from sr4k.models.quality import protocol
from sr4k.quality.vmaf import lack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("test-pictures")
    for name in ("astronaut", "chelsea"):
        cv2.imwrite(str(folder / f"{name}.png"), getattr(photographs, name)()[:201, :203, ::-1])
    return folder


def sr4k(*args: object) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def write_video(path: Path, pictures: list[np.ndarray]) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


class TestEval:
    @pytest.mark.slow(seconds=1)
    def test_networks_beat_bicubic_and_int8_is_close_to_float(self, folder: Path) -> None:
        done = sr4k("eval", folder, "--model", "luma", "--model", "rcan2", "--json")
        results = json.loads(done.stdout)
        assert list(results) == ["luma", "rcan2"]
        for by_folder in results.values():
            quality = by_folder[folder.name]
            assert quality["fp32"]["psnr"] > quality["bicubic"]["psnr"] + 1
            assert quality["fp32"]["ssim"] > quality["bicubic"]["ssim"]
            assert abs(quality["fp32"]["psnr"] - quality["int8"]["psnr"]) < 0.3

    @pytest.mark.slow(seconds=1)
    def test_the_table_is_markdown_with_bicubic_once(self, folder: Path) -> None:
        done = sr4k("eval", folder, "--model", "luma", "--model", "rcan2")
        header, rule, *rows = done.stdout.splitlines()
        assert header.split("|")[1].strip() == "folder" and set(rule) <= set("|- ")
        assert [row.split("|")[3].strip() for row in rows] == ["bicubic", "fp32", "int8", "fp32", "int8"]

    @pytest.mark.slow
    def test_folders_of_one_name_are_told_apart_and_equal_pictures_are_no_number(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, picture in (("a", photographs.astronaut()[:32, :32]), ("b", np.zeros((32, 32, 3), np.uint8))):
            (tmp_path / name / "Set").mkdir(parents=True)
            cv2.imwrite(str(tmp_path / name / "Set" / "one.png"), picture)
        monkeypatch.chdir(tmp_path / "b" / "Set")
        results = strict_json(sr4k("eval", "../../a/Set", ".", "--model", "luma", "--json").stdout)["luma"]
        assert list(results) == ["a/Set", "b/Set"]
        assert results["a/Set"]["fp32"]["psnr"] > 20
        assert results["b/Set"]["fp32"] == {"psnr": None, "ssim": pytest.approx(1), "chroma": None}
        rows = sr4k("eval", ".", "--model", "luma").stdout.splitlines()[2:]
        assert [[cell.strip() for cell in row.split("|")[1:5]] for row in rows] == [
            ["Set", network, precision, "no difference"]
            for network, precision in (("", "bicubic"), ("luma", "fp32"), ("luma", "int8"))
        ]
        done = sr4k("eval", ".", "../Set", "--model", "luma")
        assert (done.exit_code, done.stderr) == (2, "error: The folder ../Set is given twice.\n")

    @pytest.mark.parametrize("side", [1, 5, 14, 15])
    def test_a_picture_too_small_to_be_measured_is_named_with_the_least_size(self, side: int, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "small.png"), photographs.astronaut()[:side, :40])
        done = sr4k("eval", tmp_path, "--model", "luma")
        assert done.exit_code == 3
        assert done.stderr.startswith(f"error: {tmp_path / 'small.png'} is 40x{side}, and ")
        assert "from 16x16 pixels on" in done.stderr and done.stderr.count("\n") == 1

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    def test_a_picture_that_is_cut_off_is_named_and_nothing_else_said(
        self, suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        data = cv2.imencode(suffix, photographs.astronaut()[:64, :64])[1].tobytes()
        (tmp_path / f"half{suffix}").write_bytes(data[: len(data) // 2])
        done = sr4k("eval", tmp_path, "--model", "luma")
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert done.stderr.startswith(f"error: {tmp_path / 'half'}{suffix} ") and "Take it out" in done.stderr
        assert capfd.readouterr() == ("", "")

    def test_what_is_no_folder_is_told_before_anything_is_measured(self, folder: Path) -> None:
        for other, said in ((folder / "none", "does not exist"), (folder / "chelsea.png", "is not a folder")):
            done = sr4k("eval", folder, other, "--model", "luma")
            assert (done.exit_code, str(other) in done.stderr and said in done.stderr) == (3, True)

    @pytest.mark.slow
    def test_networks_run_on_planes_as_well(self, folder: Path) -> None:
        on_rgb, on_planes = (
            json.loads(sr4k("eval", folder, "--model", "rcan2", "--pixels", pixels, "--json").stdout)["rcan2"]
            for pixels in ("bgr", "yuv")
        )
        for precision in ("fp32", "int8"):
            one, other = (r[folder.name][precision]["psnr"] for r in (on_rgb, on_planes))
            assert 0 < abs(one - other) < 0.2, "chroma is subsampled, the luma all but the same"

    @pytest.mark.slow
    def test_the_cards_protocol(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, size in (("_CARD_LOW", (192, 108)), ("_CARD_HIGH", (384, 216))):  # 4K costs ten seconds
            monkeypatch.setattr(protocol, name, size)
        (tmp_path / "one").mkdir()
        cv2.imwrite(str(tmp_path / "one" / "coffee.png"), photographs.coffee()[..., ::-1])
        done = sr4k("eval", tmp_path / "one", "--model", "luma", "--protocol", "card", "--json")
        quality = json.loads(done.stdout)["luma"]["one"]
        assert set(quality) == {"bicubic", "fp32", "int8"}
        assert all(25 < q["psnr"] < 50 for q in quality.values())

    @pytest.mark.slow(seconds=1)
    def test_a_contact_sheet(self, folder: Path, tmp_path: Path) -> None:
        assert sr4k("eval", folder, "--model", "luma", "--sheet", tmp_path / "sheet.png").exit_code == 0
        sheet = cv2.imread(str(tmp_path / "sheet.png"))
        assert sheet is not None and sheet.shape[0] > 600

    def test_a_contact_sheet_does_not_join_the_pictures_that_are_measured(self, folder: Path) -> None:
        done = sr4k("eval", folder, "--model", "luma", "--sheet", folder / "sheet.png")
        assert (done.exit_code, "--sheet" in done.stderr and f"lies in {folder}" in done.stderr) == (2, True)

    def test_a_contact_sheet_is_refused_before_the_work_where_it_can_not_be_written(self, folder: Path) -> None:
        done = sr4k("eval", folder, "--model", "luma", "--sheet", "/proc/sheet.jpg")
        assert (done.exit_code, "/proc" in done.stderr, done.stdout) == (4, True, "")
        done = sr4k("eval", folder, "--model", "luma", "--sheet", "sheet.txt")
        assert (done.exit_code, "sheet.txt has to end in .jpeg or .jpg or .png" in done.stderr) == (2, True)

    def test_a_contact_sheet_replaces_nothing_that_is_read(self, folder: Path) -> None:
        picture = next(folder.rglob("*.png"))
        before = picture.read_bytes()
        done = sr4k("eval", folder, "--model", "luma", "--sheet", picture)
        assert (done.exit_code, "is the same file as" in done.output) == (2, True)
        assert picture.read_bytes() == before

    def test_a_checkpoint_is_not_replaced_by_what_is_made_of_it(self, folder: Path, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        (tmp_path / "luma.safetensors").write_bytes(b"precious")
        done = sr4k("quantize", tmp_path / "luma.safetensors", folder, "--model", "luma", "--out", tmp_path)
        assert (done.exit_code, "is the same file as" in done.output) == (2, True)
        assert (tmp_path / "luma.safetensors").read_bytes() == b"precious"

    @pytest.mark.slow
    def test_the_papers_network_from_a_checkpoint(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        from sr4k.models.architecture import RcanShape
        from sr4k.models.rcan import Rcan

        (tmp_path / "one").mkdir()
        cv2.imwrite(str(tmp_path / "one" / "tiny.png"), photographs.coffee()[:36, :36, ::-1])
        arch = catalogue.architecture("rcan-full-x3")
        assert isinstance(arch, RcanShape)
        torch.save({"params": Rcan(arch).state_dict()}, tmp_path / "x3.pth")
        done = sr4k("eval", tmp_path / "one", "--model", "rcan-full-x3", "--weights", tmp_path / "x3.pth", "--json")
        assert set(json.loads(done.stdout)["rcan-full-x3"]["one"]) == {"bicubic", "fp32"}

    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (["--model", "rcan9"], "There is no model 'rcan9'"),
            (["--weights", "here"], "--weights are for one network"),
            (["--model", "luma", "--model", "rcan-full"], "No weights of rcan-full ship"),
            (["--model", "luma", "--fid", "nowhere.pth"], "FID needs Inception weights, and nowhere.pth is not there"),
        ],
    )
    def test_wrong_options_get_one_line(self, folder: Path, args: list[str], told: str) -> None:
        done = sr4k("eval", folder, *args)
        assert done.exit_code in (2, 3)
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow(seconds=1)
def test_without_a_working_torch_fidelity_fid_names_the_extra(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inception.pth").write_bytes(b"weights")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    done = sr4k("eval", folder, "--model", "luma", "--fid", tmp_path / "inception.pth")
    assert done.exit_code == 2
    assert "pip install 'sr4k-stream[fid]'" in done.stderr


class TestCompare:
    PICTURES = (photographs.astronaut()[:96, :128], photographs.coffee()[:96, :128])

    def test_a_video_with_itself_is_perfect(self, tmp_path: Path) -> None:
        video = write_video(tmp_path / "a.mkv", list(self.PICTURES))
        course = strict_json(sr4k("compare", video, video, "--json").stdout)
        assert len(course["frames"]) == 2
        assert course["mean"]["SSIM"] == pytest.approx(1.0)
        assert course["mean"]["PSNR"] is course["worst"]["PSNR"]["value"] is course["frames"][0]["PSNR"] is None

    @pytest.mark.parametrize("command", ["compare", "eval"])
    def test_a_picture_that_cannot_be_written_is_refused_before_measuring(self, command: str, tmp_path: Path) -> None:
        (tmp_path / "pictures").mkdir()
        given = {"compare": ["none.mp4", "none.mp4", "--plot"], "eval": [tmp_path / "pictures", "--sheet"]}[command]
        if command == "eval":
            cv2.imwrite(str(tmp_path / "pictures" / "one.png"), self.PICTURES[0])
        (tmp_path / "there.png").write_bytes(b"precious")
        (tmp_path / "folder.png").mkdir()
        for name, said, code in (
            ("nowhere/p.png", "nowhere does not exist: create it first", 4),
            ("there.png/p.png", "there.png is a file", 4),
            ("p.txt", "has to end in", 2),
            ("p", "has to end in", 2),
            ("folder.png", "is a folder", 4),
            ("there.png", "exists: choose another name, or add --overwrite", 4),
        ):
            done = sr4k(command, *given, tmp_path / name)
            assert (done.exit_code, said in done.stderr, done.stderr.count("\n")) == (code, True, 1), done.stderr
        assert not (tmp_path / "nowhere").exists()
        assert (tmp_path / "there.png").read_bytes() == b"precious"

    @pytest.mark.slow
    def test_every_frame_has_its_time_and_measures(self, tmp_path: Path) -> None:
        reference = write_video(tmp_path / "a.mkv", list(self.PICTURES))
        shifted = [np.clip(p.astype(int) + 4 * (k + 1), 0, 255).astype(np.uint8) for k, p in enumerate(self.PICTURES)]
        video = write_video(tmp_path / "b.mkv", shifted)
        (tmp_path / "course.png").write_bytes(b"an earlier one")
        done = sr4k("compare", video, reference, "--json", "--plot", tmp_path / "course.png", "--overwrite")
        first, second = json.loads(done.stdout)["frames"]
        assert second["time"] - first["time"] == pytest.approx(0.04)
        assert first["PSNR"] > second["PSNR"] + 3
        vmaf = {"VMAF", "VMAF-NEG"} if lack((128, 96)) is None else set()
        assert {"time", "PSNR", "PSNR Cb", "PSNR Cr", "SSIM", "XPSNR"} | vmaf == set(first)
        assert (tmp_path / "course.png").stat().st_size > 5000

    def test_other_sizes_are_told(self, tmp_path: Path) -> None:
        a = write_video(tmp_path / "a.mkv", [self.PICTURES[0]])
        b = write_video(tmp_path / "b.mkv", [self.PICTURES[0][:64]])
        done = sr4k("compare", a, b)
        assert done.exit_code == 3
        assert "only equal sizes can be compared" in done.stderr

    def test_a_file_that_is_no_video_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a.mkv").write_bytes(b"rubbish")
        done = sr4k("compare", tmp_path / "a.mkv", tmp_path / "a.mkv")
        assert done.exit_code == 3
        assert "a.mkv is not a video that can be read" in done.stderr


class TestModels:
    @pytest.mark.slow(seconds=1)
    def test_every_model_has_a_line(self) -> None:
        lines = sr4k("models").stdout.splitlines()
        for name in catalogue.ARCHITECTURES:
            assert any(line.startswith(f"| {name} ") for line in lines)
        (default,) = [line for line in lines if "(default)" in line]
        assert "shipped, Apache-2.0" in default

    def test_as_json(self) -> None:
        rows = {row["model"]: row for row in json.loads(sr4k("models", "--json").stdout)}
        assert rows["rcan2"]["parameters"] == 63_547
        assert rows["rcan-full"]["weights"] == "not shipped: use --weights"


@pytest.mark.slow
def test_a_checkpoint_is_readied_for_video(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from safetensors.numpy import save_file

    save_file(dict(zoo.load("rcan2").weights), tmp_path / "mine.safetensors")
    done = sr4k("quantize", tmp_path / "mine.safetensors", folder, "--model", "rcan2", "--out", tmp_path / "ready")
    assert done.exit_code == 0
    assert zoo.load("rcan2", tmp_path / "ready").quantized(None).network.quantised
