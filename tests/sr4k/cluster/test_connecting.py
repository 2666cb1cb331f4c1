"""A busy head that starts no process for Ray Client in time is tried again, a few times, and told in one line."""

import pytest

from sr4k.cluster.connecting import connect_patiently
from sr4k.errors import MachineError

SAID = "Initialization failure from server:\nTraceback (most recent call last):\n  ...\nTimeoutError: no channel.\n"
WHERE = "ray://10.0.0.5:10001"


def test_it_is_tried_again_until_it_connects() -> None:
    fails, waited = [ConnectionAbortedError(SAID)] * 3, list[float]()

    def connect() -> None:
        if fails:
            raise fails.pop()

    connect_patiently(connect, WHERE, waited.append)
    assert not fails and len(waited) == 3 and min(waited) > 0


def test_after_some_attempts_one_line_says_what_happened() -> None:
    def connect() -> None:
        raise ConnectionAbortedError(SAID)

    waited = list[float]()
    with pytest.raises(MachineError) as told:
        connect_patiently(connect, WHERE, waited.append)
    assert len(waited) == 3
    said = str(told.value)
    assert "\n" not in said and "Traceback" not in said
    assert said.startswith(f"The cluster at {WHERE} can't be used: 4 times") and "TimeoutError: no channel" in said
    with pytest.raises(ConnectionError, match="other"):
        connect_patiently(lambda: (_ for _ in ()).throw(ConnectionError("other")), WHERE, waited.append)
    assert len(waited) == 3
