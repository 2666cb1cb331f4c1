"""The waits between retries, and what resets them."""

import pytest
from clips import MakeClip

from rig.channel import eventually
from rig.servers import SilentServer
from sr4k.live.address import parse_source, parse_target
from sr4k.live.backoff import CAP, Backoff
from sr4k.live.receive import intake as intake_module
from sr4k.live.receive.intake import Intake
from sr4k.live.send import live_target as target_module
from sr4k.live.send.live_target import LiveTarget
from sr4k.live.settings import HlsForm, IntakeSettings

pytestmark = pytest.mark.slow


def test_waits_grow_to_half_a_minute() -> None:
    backoff = Backoff()
    waits = [backoff.wait() for _ in range(20)]
    assert 0.8 <= waits[0] <= 1.2
    assert all(24 <= wait <= CAP for wait in waits[-5:])


def test_tries_that_only_last_long_make_no_wait_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resets: list[Backoff] = []
    monkeypatch.setattr(Backoff, "reset", lambda self: resets.append(self))
    monkeypatch.setattr(Backoff, "wait", lambda _self: 0.05)
    monkeypatch.setattr(target_module, "_OPENING", 1.0)
    for module in (target_module, intake_module):
        monkeypatch.setattr(module, "_PROVEN", 0.2)
    with SilentServer() as server:
        target = LiveTarget(parse_target(server.url("key")), hls=HlsForm(), wants_key=lambda: None)
        intake = Intake(IntakeSettings(source=parse_source(server.url("key")), sound=None, tries=2))
        target.start()
        intake._thread.start()
        try:
            eventually(lambda: intake.report().reason is not None, 30)
            eventually(lambda: target.report().reason is not None, 10)
        finally:
            target.close(0)
            intake.close()
    assert resets == []


def test_a_source_that_went_well_makes_the_next_wait_short(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets: list[Backoff] = []
    monkeypatch.setattr(Backoff, "reset", lambda self: resets.append(self))
    monkeypatch.setattr(intake_module, "_PROVEN", 0.2)
    intake = Intake(IntakeSettings(source=parse_source(str(make_clip("a.mp4", frames=20))), sound=None))
    try:
        intake.open()
        for frame in intake.frames(None):  # type: ignore[arg-type]
            frame.release()
    finally:
        intake.close()
    assert len(resets) == 1
