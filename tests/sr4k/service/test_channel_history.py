"""What is kept of a channel: no more of a day than of an hour, and no secret."""

import logging

import pytest
from toy_statuses import statuses

from sr4k.common.logs import of_channel
from sr4k.live.address import parse_target
from sr4k.service import channel_history
from sr4k.service.channel_history import ChannelHistory
from sr4k.service.channel_status import ChannelMonitor
from sr4k.service.redaction import Redaction


def history_of(*monitors: ChannelMonitor, names: str = "one", redaction: Redaction | None = None) -> ChannelHistory:
    return ChannelHistory([*monitors], lambda: frozenset({names}), redaction or Redaction())


def test_lines_of_its_log_are_kept_without_secrets() -> None:
    target = parse_target("rtmp://out.example/app/k3y-of-the-stream-9f8e7d")
    history = history_of(ChannelMonitor("one"), redaction=Redaction(target))
    logger = logging.getLogger("sr4k.live.example")
    logger.setLevel(logging.INFO)
    with history:
        with of_channel("one"):
            logger.info("sending to %s", target.url, extra={"event": "connected"})
        with of_channel("another"):
            logger.info("not of this channel")
    history.note()
    (line,) = history.of("one", "hour")["log"]
    assert (line["text"], line["event"]) == (f"sending to {target.shown}", "connected")
    assert history.of("another", "hour") == {"figures": [], "log": []}


def test_a_day_has_no_more_figures_than_an_hour_and_means_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_history, "_MERGED", 4)
    monkeypatch.setattr(channel_history, "_KEPT", 20)
    monitor = ChannelMonitor("one")
    history = history_of(monitor)
    with monitor.running():
        for number in range(120):
            monitor.update(statuses({"fps": float(number % 4), "dropped": {"late": number}}))
            history.note()
    hour, day = (history.of("one", span)["figures"] for span in channel_history.SPANS)
    assert len(hour) == len(day) == 20
    assert [each["fps"] for each in hour[-4:]] == [0.0, 1.0, 2.0, 3.0]
    assert (day[-1]["fps"], day[-1]["dropped"], day[-2]["dropped"]) == (1.5, 119, 115)
    assert day[-1]["at"] == hour[-1]["at"]
