"""``sr4k probe``, and `probe` from Python, on files of many kinds."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.video.stream import VideoStream
from clips import MakeClip
from fastapi import FastAPI
from fastapi.responses import FileResponse
from typer.testing import CliRunner
from web_serving import serving

from sr4k.cli.main import app
from sr4k.errors import InputError
from sr4k.probing import in_words, probe


def sr4k(*args: object) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_a_file_is_told_as_it_is_and_as_it_is_read(make_clip: MakeClip) -> None:
    path = make_clip("a.mkv", frames=25, sample_aspect_ratio=Fraction(4, 3), chapters=True, metadata={"title": "T"})
    found = probe(path)
    assert (found.video["width"], found.video["height"]) == (64, 48)
    assert found.video["sample_aspect_ratio"] == "4/3"
    assert (found.video["codec"], found.video["matrix"], found.video["full_range"]) == ("h264", "bt601", False)
    assert found.video["expected_frames"] == 25
    assert [(stream["kind"], stream["codec"]) for stream in found.others] == [("audio", "aac")]
    assert found.chapters
    assert found.tags["title"] == "T"
    words = in_words(found)
    assert "h264, 64x48 (sample aspect ratio 4/3), yuv420p, progressive, 25 fps" in words
    assert "read as BT.601, limited range, chroma left" in words


@pytest.mark.slow(seconds=2)
def test_a_file_behind_an_address_is_examined_and_compared_as_one_of_this_machine(
    make_clip: MakeClip,
) -> None:
    pytest.importorskip("obstore", reason="is in the extra [s3]")
    path, server = make_clip("a.mkv", frames=5), FastAPI()
    server.add_api_route("/in/a.mkv", lambda: FileResponse(path))
    with serving(server) as port:
        address = f"http://me:geheim@127.0.0.1:{port}/in/a.mkv"
        found = probe(address)
        compared = sr4k("compare", address, path, "--json")
    assert found.path == f"http://127.0.0.1:{port}/in/a.mkv"
    assert (found.bytes, found.video, found.others) == (path.stat().st_size, probe(path).video, probe(path).others)
    figures = json.loads(compared.stdout)
    assert (figures["video"], len(figures["frames"])) == (found.path, 5)


def test_the_address_of_a_live_stream_is_refused_as_such() -> None:
    assert "rtmp://h/app/*** is the address of a live stream" in sr4k("probe", "rtmp://h/app/geheim").stderr
    both = sr4k("probe", "--json", "rtmp://h/app/geheim", "no.mkv")
    assert (both.exit_code, len(json.loads(both.stdout)), "geheim" in both.output) == (2, 2, False)


def still(path: Path, form: str, codec: str = "ffv1", rows: int = 64) -> Path:
    """Write a frame of black with the encoder's own tags."""
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=25)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 64, rows, form
        picture = av.VideoFrame(64, rows, form)
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        picture.pts = 0
        out.mux([*video.encode(picture), *video.encode(None)])
    return path


@pytest.mark.parametrize(
    ("name", "codec", "form", "model", "words"),
    [
        ("a.png", "png", "rgb24", "rgb", "RGB, full range"),
        ("a.png", "png", "rgba", "rgb", "RGB, full range"),
        ("a.png", "png", "pal8", "rgb", "RGB, full range"),
        ("a.mkv", "libx264rgb", "rgb24", "rgb", "RGB, full range"),
        ("a.mkv", "ffv1", "bgr0", "rgb", "RGB, full range"),
        ("a.mkv", "ffv1", "gbrp10le", "rgb", "RGB, full range"),
        ("a.png", "png", "gray16be", "gray", "gray, full range"),
        ("a.png", "png", "ya8", "gray", "gray, full range"),
        ("a.mkv", "ffv1", "yuv444p", "yuv", "BT.601, limited range"),
        ("a.mkv", "ffv1", "yuv422p", "yuv", "BT.601, limited range, chroma left"),
    ],
)
def test_only_what_has_a_matrix_and_a_chroma_location_is_told_to_have_them(
    name: str, codec: str, form: str, model: str, words: str, tmp_path: Path
) -> None:
    found = probe(still(tmp_path / name, form, codec))
    assert in_words(found).splitlines()[2] == f"    read as {words}"
    assert found.video["colour_model"] == model
    assert found.video["matrix"] == ("bt601" if model == "yuv" else None)
    assert found.video["full_range"] == ("full" in words)
    assert found.video["chroma_location"] == ("left" if "chroma" in words else None)
    if model == "rgb":
        assert found.video["colour_tags"]["matrix"] in (0, 2) and found.video["colour_tags"]["range"] in (0, 2)


def test_json_has_one_object_for_one_file_and_a_list_for_several(make_clip: MakeClip) -> None:
    one, other = make_clip("a.mp4"), make_clip("b.mkv")
    assert json.loads(sr4k("probe", one, "--json").stdout)["path"] == str(one)
    assert [each["path"] for each in json.loads(sr4k("probe", one, other, "--json").stdout)] == [str(one), str(other)]


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        probe(tmp_path / "none.mp4")
    done = sr4k("probe", tmp_path / "none.mp4")
    assert done.exit_code == 3
    assert len(done.stderr.splitlines()) == 1


def test_a_bad_file_does_not_hide_the_good_ones(make_clip: MakeClip, tmp_path: Path) -> None:
    one, bad, other = make_clip("a.mp4"), tmp_path / "bad.mp4", make_clip("b.mkv")
    bad.write_bytes(b"no video")
    done = sr4k("probe", one, bad, other)
    assert done.exit_code == 3
    assert str(one) in done.stdout and str(other) in done.stdout
    assert len(done.stderr.splitlines()) == 1 and "bad.mp4" in done.stderr
    told = json.loads(sr4k("probe", one, bad, other, "--json").stdout)
    assert [each["path"] for each in told] == [str(one), str(bad), str(other)]
    assert ["error" in each for each in told] == [False, True, False]
