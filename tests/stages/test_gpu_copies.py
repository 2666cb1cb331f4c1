"""Pictures on their way to a GPU and back: in which order copies run, with stand-ins for streams and events."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sr4k.pipeline import Format, Frame, FrameInfo, PlaneSpec

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from sr4k.engines import host_memory  # noqa: E402
from sr4k.stages import gpu_copies  # noqa: E402


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What streams and events of a GPU that isn't there are asked for, in order."""
    told: list[str] = []

    class Stream:
        def __init__(self, name: Any) -> None:
            self.name = name if isinstance(name, str) else "copies"

        def wait_stream(self, other: "Stream") -> None:
            told.append(f"{self.name} after {other.name}")

        def wait_event(self, event: "Event") -> None:
            told.append(f"{self.name} after event {event.number}")

    class Event:
        def record(self, stream: Stream) -> None:
            assert stream.name == "copies"
            self.number = sum(each.startswith("event") for each in told)
            told.append(f"event {self.number}")

        def synchronize(self) -> None:
            told.append(f"wait for event {self.number}")

    @contextmanager
    def on(stream: Stream) -> Iterator[None]:
        assert stream.name == "copies"
        told.append("copies begin")
        yield
        told.append("copies end")

    def kept(_: Any, stream: Stream) -> None:
        told.append(f"kept for {stream.name}")

    stand_ins = {"Stream": Stream, "Event": Event, "stream": on, "current_stream": lambda: Stream("network")}
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.Tensor, "record_stream", kept)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda plane: plane)
    monkeypatch.setattr(gpu_copies, "cuda_device", lambda: SimpleNamespace(type="cuda"))
    return told


def test_frames_are_copied_from_the_gpu_beside_what_is_computed_next(done: list[str]) -> None:
    download = gpu_copies.Download()
    download.open(Format((PlaneSpec((6, 4)),), about=None))
    info = FrameInfo(pts=0, time_base=Fraction(1, 25))

    class Host:
        def take(self, info: FrameInfo) -> Frame:
            return Frame((np.zeros((6, 4), np.uint8),), info)

    frames = [Frame((torch.full((6, 4), k, dtype=torch.uint8),), info) for k in range(4)]
    out = [made for frame in frames for made in download.process(frame, Host())]
    waits = ["wait for event 0", "wait for event 1"]
    assert [each for each in done if each.startswith("wait")] == waits, "two copies run beside what is computed next"
    out += download.drain(Host())
    assert [int(frame.planes[0][0, 0]) for frame in out] == [0, 1, 2, 3]
    assert done[:4] == ["copies after network", "copies begin", "event 0", "copies end"]


def test_pictures_decoded_on_the_cpu_are_copied_to_the_gpu_beside_what_is_computed(done: list[str]) -> None:
    upload = gpu_copies.Upload((PlaneSpec((6, 4)), PlaneSpec((2, 3, 2), "uint16")), SimpleNamespace(type="cuda"))
    upload._device = torch.device("cpu")  # planes there are those here: a slot is written to after its copy alone
    for k in range(4):
        luma, chroma = upload.planes()
        assert (luma.shape, chroma.shape, chroma.dtype) == ((6, 4), (2, 3, 2), np.uint16)
        luma[:], chroma[:] = k, 1000 + k
        there = upload.copied()
        assert [int(plane.numpy().max()) for plane in there] == [k, 1000 + k]
    one = ["copies begin", "event 0", "copies end", "network after event 0", "kept for network", "kept for network"]
    assert done[:6] == one
    assert [each for each in done if each.startswith("wait")] == ["wait for event 0"], "the fourth waits for the first"
    assert done.index("wait for event 0") > done.index("event 2")


@pytest.mark.parametrize("trouble", [None, "CUDA_ERROR_OUT_OF_MEMORY"])
def test_frames_go_straight_into_the_ring_of_the_next_process_where_it_can_be_registered(
    trouble: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    locked: list[int] = []

    class Driver:
        @staticmethod
        def cuMemHostRegister(address: int, nbytes: int, flags: int) -> tuple[Any, ...]:  # noqa: N802
            assert (nbytes, flags) == (24, 0) and address not in locked
            if trouble is None:
                locked.append(address)
                return (0,)
            return (type("Status", (int,), {"name": trouble})(2),)

        @staticmethod
        def cuMemHostUnregister(address: int) -> None:  # noqa: N802
            locked.remove(address)

    pinned: list[Any] = []

    def pin(form: PlaneSpec) -> Any:
        pinned.append(torch.empty(form.shape, dtype=torch.uint8))
        return pinned[-1]

    monkeypatch.setattr(host_memory, "_driver", lambda: Driver)
    monkeypatch.setattr(gpu_copies, "_pinned", pin)
    download = gpu_copies.Download()
    download.open(Format((PlaneSpec((6, 4)),), about=None))
    download._copies = SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setattr(gpu_copies.Download, "_copy", lambda _, block, host: host.copy_(block) is None or None)
    slots = [np.zeros((6, 4), np.uint8) for _ in range(4)]
    info, free = FrameInfo(pts=0, time_base=Fraction(1, 25)), list(range(4))

    class Ring:
        def take(self, info: FrameInfo) -> Frame:
            slot = free.pop(0)
            return Frame((slots[slot],), info, slot=slot)

    values = []
    with caplog.at_level(logging.INFO):
        for k in range(9):
            frame = Frame((torch.full((6, 4), k, dtype=torch.uint8),), info)  # type: ignore[arg-type]
            for made in download.process(frame, Ring()):
                values.append(int(made.planes[0][0, 0]))
                free.append(made.slot)  # type: ignore[arg-type]
            assert len(free) >= 2, "the encoder has as many slots as the copies"
        values += [int(made.planes[0][0, 0]) for made in download.drain(Ring())]
    assert values == list(range(9))
    assert (len(locked), len(pinned)) == ((4, 0) if trouble is None else (0, 2))
    assert caplog.text.count("Frames take a second copy in host memory") == (trouble is not None)
    download.close()
    assert locked == []
