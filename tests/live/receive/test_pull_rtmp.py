"""Pullers of RTMP, from real servers."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from needed import required
from pulling import Pulled, assert_in_real_time, assert_sound_has_no_gaps, numbers, publishing

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.publish import Publisher
from rig.servers import NginxRtmp, NodeMediaServer, SilentServer, free_port
from sr4k.live.receive.link import Ended
from sr4k.live.timeline import TICKS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("silent_children")]


@pytest.fixture(scope="module")
def nginx() -> Iterator[NginxRtmp]:
    with required(NginxRtmp) as server:
        yield server


def test_rtmp_gives_pictures_and_sound_in_time_and_together(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("a")) as publisher, Pulled(nginx.url("a")) as pulled:
        pulled.pictures(50)
        sent = {line["n"]: line["at"] for line in publisher.lines()}
    assert pulled.size == (320, 180)
    assert pulled.form is not None
    assert pulled.form.about.rate == 25
    read = numbers(pulled)
    assert [b - a for a, b in pairwise(read)] == [1] * 49
    late = sorted(at - sent[number] for (at, *_), number in zip(pulled.frames, read, strict=True))
    assert late[len(late) // 2] < pulled.watch.stretched(0.15)
    assert_sound_has_no_gaps(pulled)
    assert_in_real_time(pulled, 25)
    assert pulled.tally.bytes > 10_000
    assert pulled.tally.full == pulled.tally.damaged == 0
    first_sound, first_picture = pulled.sound[0][0], pulled.frames[0][1].pts
    assert abs(first_sound - first_picture) < 0.5 * TICKS
    beeps = [pts + int(np.argmax(s[:, 0] > 6000)) * TICKS // 48000 for pts, s in pulled.sound if (s[:, 0] > 6000).any()]
    flashes = [info.pts for _, info, number in pulled.frames if number is not None and number % 25 == 0]
    for flash in flashes[:1]:
        assert min(abs(beep - flash) for beep in beeps) < 0.05 * TICKS


def test_a_stream_without_sound_is_taken_after_a_longer_look(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("mute"), audio=False), Pulled(nginx.url("mute")) as pulled:
        pulled.pictures(10)
    assert pulled.sound == []


def test_video_that_appears_late_is_waited_for(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("late", "plain"), video_after=4.0), Pulled(nginx.url("late", "plain")) as pulled:
        pulled.pictures(10)
        assert pulled.sound


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("live", "nobody publishes there, or the application or key is wrong"),
        ("wrong", "nobody publishes there, or the application or key is wrong"),
    ],
)
def test_nobody_there_is_said_so(nginx: NginxRtmp, app: str, reason: str) -> None:
    with Pulled(nginx.url("k3y-of-mine", app)) as pulled:
        assert pulled.end(12) == Ended(reason)


def test_a_server_that_is_not_there_refuses() -> None:
    with Pulled(f"rtmp://127.0.0.1:{free_port()}/live/k3y-of-mine") as pulled:
        assert pulled.end(5) == Ended("the connection was refused")


def test_a_name_that_does_not_exist_is_said_so() -> None:
    with Pulled("rtmp://no-such-host.invalid/live/k3y-of-mine") as pulled:
        assert pulled.end(15) == Ended("the name no-such-host.invalid can't be resolved")


def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    with SilentServer() as server, Pulled(server.url("k3y-of-mine")) as pulled:
        assert pulled.end(10) == Ended("it does not answer")
        assert pulled.ended_at < 7


def test_a_publisher_that_goes_is_seen_at_once_where_the_server_tells(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("gone")) as publisher, Pulled(nginx.url("gone")) as pulled:
        pulled.pictures(5)
        publisher.kill()
        gone = Stopwatch()
        assert pulled.end(6) == Ended("the publisher went away")
        assert gone.fair < 2


def test_a_publisher_that_freezes_is_seen_within_five_seconds(nginx: NginxRtmp) -> None:
    with publishing(nginx.url("frozen", "plain")) as publisher, Pulled(nginx.url("frozen", "plain")) as pulled:
        pulled.pictures(5)
        publisher.freeze()
        frozen = Stopwatch()
        assert pulled.end(7).reason.startswith("nothing came for 4")
        assert frozen.wall > 3.5
        assert frozen.fair < 5


def test_a_server_that_is_killed_is_seen_at_once() -> None:
    with required(NginxRtmp) as server, publishing(server.url("a")), Pulled(server.url("a")) as pulled:
        pulled.pictures(5)
        server.kill()
        killed = Stopwatch()
        assert pulled.end(6) == Ended("the connection broke off")
        assert killed.fair < 1


def test_a_new_size_on_the_same_connection_fits_into_the_old_picture(nginx: NginxRtmp) -> None:
    url = nginx.url("resized", "plain")
    with Pulled(url) as pulled:
        with Publisher(url, size=(320, 180)):
            pulled.pictures(15)
        with Publisher(url, size=(240, 320), first=1000):
            pulled.until(lambda: (pulled.last[0][:, 20:60] == 16).all(), 15)
            assert pulled.ended is None
            pulled.pictures(10)
    assert pulled.size == (320, 180)
    luma = pulled.last[0]
    assert luma.shape == (180, 320)
    assert (luma[:, :90] == 16).all()
    assert (luma[:, -90:] == 16).all()
    assert luma[:, 100:220].std() > 10
    assert min(b[1].pts - a[1].pts for a, b in pairwise(pulled.frames)) < 0  # raw times: they start anew


def test_hevc_by_enhanced_rtmp_from_a_server_that_sends_what_is_old_first() -> None:
    with required(NodeMediaServer) as server, publishing(server.url("a"), codec="hevc", rate=10, gop=2.0) as publisher:
        eventually(lambda: len(publisher.lines()) >= 18, 60)
        with Pulled(server.url("a")) as pulled:
            pulled.pictures(10)
        sent = {line["n"]: line["at"] for line in publisher.lines()}
    assert pulled.size == (320, 180)
    late = [at - sent[number] for (at, *_), number in zip(pulled.frames, numbers(pulled), strict=True)]
    assert max(late) < pulled.watch.stretched(0.5)


def test_key_frames_twelve_seconds_apart_are_waited_for_and_what_comes_then_is_whole_and_fresh(
    nginx: NginxRtmp,
) -> None:
    url = nginx.url("long", "plain")
    with publishing(url, rate=10, gop=12.0) as publisher, Pulled(url) as pulled:
        pulled.pictures(20, seconds=29)
        sent = {line["n"]: line["at"] for line in publisher.lines()}
    read = numbers(pulled)
    assert 120 <= read[0] < 240, "the key frame after that which was missed, and not the one after that"
    assert read == list(range(read[0], read[0] + 20))
    late = [at - sent[number] for (at, *_), number in zip(pulled.frames, read, strict=True)]
    assert max(late) < pulled.watch.stretched(0.5)
    assert pulled.tally.damaged == 0
    assert_sound_has_no_gaps(pulled)
