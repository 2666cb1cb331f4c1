"""Reading packets, whatever the file is like."""

from collections.abc import Iterator
from typing import Any, cast

from av.container import InputContainer

from sr4k.stages.source import packets_of


class Growing:
    """What PyAV's demultiplexing does when a stream has turned up on the way: it stumbles after the last packet."""

    def demux(self) -> Iterator[Any]:
        yield "packet"
        raise IndexError("list index out of range")


def test_a_stream_that_turns_up_on_the_way_does_no_harm() -> None:
    assert list(packets_of(cast(InputContainer, Growing()))) == ["packet"]
