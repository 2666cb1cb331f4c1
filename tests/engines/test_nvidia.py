"""Facts that the NVIDIA driver reports, and the result where there is no driver."""

import pytest

from sr4k.engines import nvidia
from sr4k.engines.nvidia import Driver, Gpu
from sr4k.errors import OptionError

TWO = Driver((13, 0), tuple(Gpu(k, "a card", (9, 0), 2**36) for k in range(2)))


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "driver", lambda: TWO)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_a_process_can_be_kept_to_one_gpu() -> None:
    assert nvidia.only(1) == {"CUDA_VISIBLE_DEVICES": "1"}


@pytest.mark.usefixtures("two_gpus")
def test_numbers_are_those_of_the_gpus_that_are_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-3f")
    assert [nvidia.only(k)["CUDA_VISIBLE_DEVICES"] for k in range(2)] == ["5", "GPU-3f"]


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="no GPU 2: 2 can be used here"):
        nvidia.only(2)
