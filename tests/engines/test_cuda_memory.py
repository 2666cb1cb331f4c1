import numpy as np
import pytest

from sr4k.engines.cuda_memory import Mirrored, Stream, require_bindings_for, runtime_version, start
from sr4k.engines.nvidia import Driver, driver
from sr4k.errors import EngineError


def test_the_runtime_tells_its_version() -> None:
    assert (11, 8) <= runtime_version() < (100, 0)


def test_bindings_newer_than_the_driver_are_told_with_what_to_install() -> None:
    with pytest.raises(EngineError, match=r"CUDA up to 12\.4, cuda-bindings are for 13.*'cuda-bindings<13'"):
        require_bindings_for(Driver((12, 4)), (13, 0))


@pytest.mark.parametrize("cuda", [(12, 4), (12, 9), (13, 0), None])
def test_others_are_not(cuda: tuple[int, int] | None) -> None:
    require_bindings_for(Driver(cuda), (12, 9))


@pytest.mark.skipif(driver().cuda is not None, reason="there is a driver")
@pytest.mark.parametrize("call", [start, Stream, lambda: Mirrored((2, 3), np.uint8)])
def test_without_a_driver_every_call_is_an_error_of_ours(call: type[Stream]) -> None:
    with pytest.raises(EngineError, match=r"CUDA: .*driver"):
        call()


@pytest.mark.gpu
class TestOnTheGpu:
    def test_bytes_go_to_the_device_and_come_back(self) -> None:
        start()
        data = np.arange(6000, dtype=np.uint8).reshape(20, 300)
        with Stream() as stream, Mirrored(data.shape, np.uint8) as memory:
            memory.host[:] = data
            memory.upload(stream)
            stream.wait()
            memory.host[:] = 0
            memory.download(stream)
            stream.wait()
            assert np.array_equal(memory.host, data)

    def test_a_graph_does_its_work_when_it_is_launched_and_not_before(self) -> None:
        start()
        with Stream() as stream, Mirrored((1000,), np.float32) as memory:
            memory.host[:] = 1
            memory.upload(stream)
            stream.wait()
            memory.host[:] = 2
            with stream.captured(lambda: memory.download(stream)) as graph:
                stream.wait()
                assert (memory.host == 2).all()
                graph.launch()
                stream.wait()
                assert (memory.host == 1).all()

    def test_a_capture_that_fails_leaves_the_stream_usable(self) -> None:
        start()

        def fail() -> None:
            raise EngineError("not to be captured")

        with Stream() as stream, Mirrored((1000,), np.uint8) as memory:
            with pytest.raises(EngineError, match="not to be captured"):
                stream.captured(fail)
            memory.upload(stream)
            stream.wait()
