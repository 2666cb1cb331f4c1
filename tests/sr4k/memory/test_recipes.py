"""The recipes of ``docs/python.md`` run as they stand, and have no types that don't fit."""

import asyncio
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip, video_times
from numpy.typing import NDArray

from sr4k import Upscaler

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "python.md").read_text()


def blocks(page: str) -> dict[str, str]:
    """The Python of a page, by the heading that it stands under."""
    found: dict[str, str] = {}
    for part in re.split(r"^#+ ", page, flags=re.M)[1:]:
        heading, _, text = part.partition("\n")
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)):
            found[heading + (f" {number + 1}" if number else "")] = block
    return found


RECIPES = blocks(PAGE)

MYPY = """
[mypy]
strict = True
[mypy-sr4k.*,matplotlib.*,torch.*]
follow_imports = skip
[mypy-sr4k,sr4k.memory.upscaler,sr4k.jobs.*]
follow_imports = silent
"""

OF_JOBS = """
from pathlib import Path
from typing import assert_type

from sr4k import Job, LiveJob, LiveProgress, LiveSummary, Progress, RunningJob, Summary

job = Job("in.mp4", Path("out.mkv"), size="4k", codec="hevc", crf=20, model="luma-large", engine="openvino", rate="24")
live = LiveJob("rtmp://in/app/key", [Path("a.mkv"), "b.mkv"], bitrate="6M")
running = job.start(on_progress=lambda progress: print(progress.frames, progress.eta))
assert_type(running, RunningJob[Progress, Summary])
assert_type(running.result(timeout=1.0).frames, int)
assert_type(live.start().progress, LiveProgress)
assert_type(live.run().restarts, int)


async def awaited() -> None:
    assert_type(await job, Summary)
    assert_type(await live.start(), LiveSummary)
"""
"""What the types of jobs have to be for whoever uses them."""


@pytest.fixture
def here(tmp_path: Path, make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the recipes read, which is the current one."""
    make_clip("in.mp4", frames=4, audio=False).rename(tmp_path / "in.mp4")
    (tmp_path / "pictures").mkdir()
    for path in ("in.png", "pictures/a.png", "pictures/b.png"):
        cv2.imwrite(str(tmp_path / path), picture())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def run(heading: str) -> dict[str, Any]:
    """Run a recipe as a script, and return its names."""
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(RECIPES[heading], heading, "exec"), names)
    return names


def test_there_are_six_recipes() -> None:
    recipes = PAGE.partition("## Recipes\n")[2].partition("\n## ")[0]
    assert len(blocks(recipes)) == 6


def test_the_first_example_has_the_shape_that_it_says() -> None:
    assert run("Frames in memory")["large"].shape == (180, 320, 3)


def test_an_opencv_capture_loop(here: Path) -> None:
    run("An OpenCV capture loop")
    sizes = [np.shape(cv2.imread(str(path))) for path in sorted(here.glob("large-*.png"))]
    assert sizes == [(96, 128, 3)] * 4


def test_a_pyav_loop_keeps_times(here: Path) -> None:
    run("A PyAV loop")
    assert video_times(here / "out.mp4") == video_times(here / "in.mp4")
    with av.open(here / "out.mp4") as made:
        assert (made.streams.video[0].width, made.streams.video[0].height) == (128, 96)


def test_a_pytorch_dataloader(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert run("A PyTorch DataLoader")["large"].shape == (2, 3, 96, 128)
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.slow(seconds=1)
def test_a_fastapi_endpoint() -> None:
    pytest.importorskip("fastapi", reason="needs FastAPI")
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    app, png = run("A FastAPI endpoint")["app"], cv2.imencode(".png", picture())[1].tobytes()

    async def answers(*bodies: bytes) -> list[Any]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://here") as client:
            posts = (client.post("/upscale", content=body, headers={"Content-Type": "image/png"}) for body in bodies)
            return await asyncio.gather(*posts)

    *pictures, refused = asyncio.run(answers(png, png, b"text"))
    for answer in pictures:
        assert answer.headers["Content-Type"] == "image/png"
        made = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(made, Upscaler()(picture(), order="bgr"))
    assert (refused.status_code, refused.json()) == (415, {"detail": "This is no picture."})


@pytest.mark.slow(seconds=1)
def test_a_notebook(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """A cell runs while its kernel's event loop does."""
    pytest.importorskip("matplotlib", reason="needs Matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")

    async def cell() -> dict[str, Any]:
        return run("A notebook")

    names = asyncio.run(cell())
    np.testing.assert_array_equal(names["large"], Upscaler()(picture()[..., ::-1]))
    (shown,) = names["plt"].gca().get_images()
    assert np.shape(shown.get_array()) == (48, 64, 3)
    names["plt"].close("all")


def test_a_folder_of_pictures(here: Path) -> None:
    run("A folder of pictures")
    expected = Upscaler()(picture(), order="bgr")
    for path in ("large/a.png", "large/b.png"):
        np.testing.assert_array_equal(cv2.imread(str(here / path)), expected)


def typed(folder: Path) -> Path:
    """The package as it is imported, for a type checker: it does not know the mapping of an editable installation."""
    mapped: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    package = folder / "sr4k"
    package.mkdir()
    for path in (ROOT / "sr4k").iterdir():
        (package / path.name).symlink_to(path)
    for name, home in mapped.items():
        if name != "sr4k":
            (package / name.partition(".")[2]).symlink_to(ROOT / home)
    return folder


@pytest.mark.slow(seconds=10)
def test_their_types_fit(tmp_path: Path) -> None:
    """Libraries are not followed where they are large or have no types; of this package, what the recipes name is."""
    pytest.importorskip("mypy", reason="needs mypy")
    pytest.importorskip("fastapi", reason="needs FastAPI")
    for number, block in enumerate(RECIPES.values()):
        (tmp_path / f"recipe_{number}.py").write_text(block)
    (tmp_path / "recipe_of_jobs.py").write_text(OF_JOBS)
    typed(tmp_path)
    (tmp_path / "mypy.ini").write_text(MYPY)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", *(path.name for path in tmp_path.glob("recipe_*"))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
