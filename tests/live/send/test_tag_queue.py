"""The queue of a target's tags, which come in the order in which they are made."""

from collections.abc import Callable

import pytest

from sr4k.live.send.flv import Kind, Tag
from sr4k.live.send.tag_queue import TagQueue

HEADER = b"FLV"


def tag(name: str) -> Tag:
    """A key frame ``K``, another picture ``P`` or sound ``S``, at this many ms, as in ``K40``."""
    kind: Kind = "audio" if name[0] == "S" else "video"
    return Tag(kind, int(name[1:]), name.encode(), key=name[0] == "K", config=False)


def offer(queue: TagQueue, names: str) -> None:
    for name in names.split():
        queue.offer(HEADER, [tag(name)])


def taken(queue: TagQueue) -> str:
    names = []
    while (each := queue.take()) is not None:
        names.append(each.data.decode())
    return " ".join(names)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = 100.0

    def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("sr4k.live.send.tag_queue.time.monotonic", lambda: now)
    return advance


def queue(age: float = 1.0) -> TagQueue:
    made = TagQueue(age, wants_key=lambda: None)
    made.open()
    return made


def test_tags_are_sent_in_the_order_in_which_they_were_made() -> None:
    made = queue()
    offer(made, "K1000 P1040 S990 S1011 P1080 S1100")
    assert taken(made) == "K1000 P1040 S990 S1011 P1080 S1100"


def test_sound_that_came_before_the_key_frame_of_its_time_follows_it() -> None:
    made = queue()
    offer(made, "P960 S979 S1000 S1021 K1000 S1042 P1040")
    assert taken(made) == "K1000 S1000 S1021 S1042 P1040"
    assert made.dropped == 2


def test_of_much_sound_without_a_key_frame_the_last_is_kept() -> None:
    made = queue()
    offer(made, " ".join(f"S{number}" for number in range(2000, 3000)))
    offer(made, "K1000")
    kept = taken(made).split()
    assert kept[0] == "K1000"
    assert kept[-1] == "S2999"
    assert len(kept) < 50
    assert made.dropped == 1001 - len(kept)


def test_a_new_process_begins_with_a_key_frame_and_the_sound_of_its_time() -> None:
    made = queue()
    offer(made, "K1000 P1040 S1060 S1081 K1080 S1102")
    made.take()
    made.rewind()
    assert taken(made) == "K1080 S1081 S1102"
    assert made.dropped == 2


def test_a_new_process_for_which_no_key_frame_waits_gets_the_next_one_with_the_sound_of_its_time() -> None:
    made = queue()
    offer(made, "K1000 P1040 S1081")
    made.take()
    made.rewind()
    assert taken(made) == ""
    offer(made, "S1102 P1060 K1080 P1120")
    assert taken(made) == "K1080 S1081 S1102 P1120"


def test_after_old_tags_were_discarded_the_sound_of_the_key_frame_is_there(clock: Callable[[float], None]) -> None:
    made = queue(age=1.0)
    offer(made, "K1000 P1040")
    clock(0.9)
    offer(made, "S1950 S1980 K1970 P2010")
    clock(0.5)
    assert taken(made) == "K1970 S1980 P2010"


def test_another_connection_gets_nothing_of_before() -> None:
    made = queue()
    offer(made, "S1000")
    made.open()
    offer(made, "K900 P940")
    assert taken(made) == "K900 P940"
