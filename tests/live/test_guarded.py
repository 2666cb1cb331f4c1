"""A thread that a channel can't do without ends its process if it fails: another one takes its place."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sr4k.live import guarded
from sr4k.live.address import parse_source, parse_target
from sr4k.live.receive import intake
from sr4k.live.receive.intake import Intake
from sr4k.live.send import live_target
from sr4k.live.send.live_target import LiveTarget
from sr4k.live.settings import HlsForm, IntakeSettings


def start_intake(_folder: Path) -> None:
    Intake(IntakeSettings(source=parse_source("pattern://64x48@25"), sound=None))._thread.start()


def start_target(folder: Path) -> None:
    LiveTarget(parse_target(str(folder / "a.mkv")), hls=HlsForm(), wants_key=lambda: None).start()


@pytest.mark.parametrize("start", [start_intake, start_target])
def test_a_process_whose_thread_fails_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, start: Callable[[Path], None]
) -> None:
    ended, codes = threading.Event(), list[int]()

    def fail(*_args: Any, **_wishes: Any) -> Any:
        raise ValueError("a bug")

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(intake, "Puller", fail)
    monkeypatch.setattr(live_target, "_Try", fail)
    monkeypatch.setattr(guarded, "os", SimpleNamespace(_exit=end))
    monkeypatch.setattr(guarded, "logging", SimpleNamespace(shutdown=lambda: None))
    start(tmp_path)
    assert ended.wait(60)
    assert codes == [1]
    assert "ValueError: a bug" in caplog.text
