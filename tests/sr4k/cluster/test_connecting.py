"""A busy head that starts no process for Ray Client in time is tried again, a few times, and told in one line."""

import pytest

from sr4k.cluster.connecting import check_reachable, connect_patiently, unreachable
from sr4k.errors import MachineError

SAID = """Initialization failure from server:
Traceback (most recent call last):
  ...
TimeoutError: no channel in 30.0 s! See /tmp/ray/logs.
"""
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
    assert (
        said.startswith(f"The cluster at {WHERE} can't be used: 4 times")
        and "(TimeoutError: no channel in 30.0 s)" in said
    )
    with pytest.raises(ConnectionError, match="other"):
        connect_patiently(lambda: (_ for _ in ()).throw(ConnectionError("other")), WHERE, waited.append)
    assert len(waited) == 3


def test_a_cluster_that_is_not_there_is_told_with_what_to_name_instead() -> None:
    found_none = ConnectionError("Could not find any running Ray instance. Set the `--address` flag.")
    assert unreachable("auto", found_none) == (
        "There is no Ray cluster on this machine, and RAY_ADDRESS names none elsewhere: name the address of its head, "
        "or local:2 to try it."
    )
    told = unreachable("10.0.0.5:6379", ConnectionError("refused\nat length"))
    assert all(cause in told for cause in ("refused. If", "this port", "RAY_AUTH_TOKEN_PATH", "version of Ray"))
    with pytest.raises(MachineError, match=r"The cluster at 127\.0\.0\.1:1 can't be reached: Connection refused"):
        check_reachable("127.0.0.1:1")
