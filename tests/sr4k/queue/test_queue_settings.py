"""Hours, watch folders' rules, and the folders that nothing leads out of."""

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from sr4k.errors import InputError
from sr4k.queue.settings import Library, QueueSettings, WatchFolder


@pytest.mark.parametrize(
    ("hours", "runs"),
    [
        ("22:00-07:00", {22, 23, 0, 6}),
        ("09:00-12:00", {9, 10, 11}),
        (None, set(range(24))),
    ],
)
def test_hours_may_go_over_midnight(hours: str | None, runs: set[int]) -> None:
    settings = QueueSettings(hours=hours)
    assert {hour for hour in range(24) if settings.is_time(datetime(2026, 1, 1, hour, 30))} & runs == runs
    assert settings.is_time(datetime(2026, 1, 1, 15)) == (15 in runs)


@pytest.mark.parametrize("hours", ["22-7", "25:00-07:00", "night", "22:00-07:00 ", "07:00-07:00"])
def test_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(ValidationError, match=r"two times of the day|another time"):
        QueueSettings(hours=hours)


def test_a_watch_folder_wants_videos_by_name_and_never_its_own_results(tmp_path: Path) -> None:
    folder = WatchFolder(folder=tmp_path, names=("*.mkv",), but_not=("sample*",), output="out/{stem} [{height}].mkv")
    names = ("a.mkv", "a.mp4", "sample.mkv", "a [1080].mkv", "a\nb [1080].mkv")
    assert [name for name in names if folder.wants(name)] == ["a.mkv"]
    assert folder.target_of(Path("/v/{x}.mkv"), 1280, 720) == Path("/v/out/{x} [720].mkv")


@pytest.mark.parametrize(
    "output",
    [
        "4K.mkv",
        "../{stem}.mkv",
        "/tmp/{stem}.mkv",
        "{stem}{suffix}",
        "./{stem}{suffix}",
        ".//{stem}{suffix}/.",
        "./{stem}",
        "{stem} {secret}",
    ],
)
def test_templates_that_would_write_elsewhere_or_over_something_are_refused(output: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        WatchFolder(folder=tmp_path, output=output)


def test_nothing_leads_out_of_a_library(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    (outside / "secret.mp4").write_bytes(b"")
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root / "loop")
    (root / "p1.png").touch()
    (root / "p2.png").symlink_to(outside / "secret.mp4")
    library = Library([root])
    assert library.inside(root / "new" / "a.mp4") == root / "new" / "a.mp4"
    wrong = ["link/secret.mp4", "../outside/secret.mp4", "a\0b", "loop/a", "p%d.png"]
    for path in [*(f"{root}/{each}" for each in wrong), "root/a.mp4", "/etc/passwd", f"{root}-2/a.mp4", ""]:
        with pytest.raises(InputError, match="isn't in a library"):
            library.inside(path)
