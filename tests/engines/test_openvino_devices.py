"""OpenVINO's devices. Those other than the CPU are stood for by its HETERO device, which is a real one."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_networks import convolutions, with_card

from sr4k.engines import EngineSpec, create_engine, openvino_devices, openvino_models, openvino_trial
from sr4k.engines.choose import engine_for
from sr4k.engines.cpu import int8_of
from sr4k.engines.openvino_devices import device_for, judged, names
from sr4k.engines.openvino_library import ov, shared_core
from sr4k.engines.openvino_models import CPU, Plan, compiled, half_precisions, plan
from sr4k.engines.openvino_trial import Verdict, difference, trial_frame, trial_size, tried, tried_apart
from sr4k.errors import EngineError, OptionError
from sr4k.models.colour import Colour

SPEC = EngineSpec(model="luma", height=64, width=96, colour=Colour(), threads=1, device="gpu")
GPU = "HETERO:CPU"


@pytest.fixture(autouse=True)
def _a_small_test_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR4K_CACHE", str(tmp_path))
    monkeypatch.setattr(openvino_trial, "HEIGHT", 96)
    monkeypatch.setattr(openvino_trial, "WIDTH", 128)
    monkeypatch.setattr(openvino_devices, "_known", {})
    monkeypatch.setattr(openvino_devices, "tried_apart", lambda device, spec: tried(shared_core(), device, spec))


@pytest.fixture
def core() -> "ov.Core":
    return shared_core()


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO finds a device gpu, which works."""
    monkeypatch.setattr(openvino_devices, "names", lambda _: {"cpu": CPU, "gpu": GPU})


def breaks(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any]) -> None:
    """Let the device's network end in another operation."""

    def spoilt(core: "ov.Core", device: str, made: Plan) -> Any:
        if device != GPU:
            return compiled(core, device, made)
        model = core.read_model(made.graph)
        for output in model.outputs:
            last = output.get_node()
            last.input(0).replace_source_output(spoil(last.input_value(0)).output(0))
        return core.compile_model(model, device, {})

    monkeypatch.setattr(openvino_trial, "compiled", spoilt)


def black(value: Any) -> Any:
    zero = ov.opset13.constant(0, value.get_element_type())
    return ov.opset13.multiply(value, zero)


def brighter(value: Any) -> Any:
    return ov.opset13.add(value, ov.opset13.constant(2, value.get_element_type()))


def test_only_the_cpu_is_there_on_a_machine_without_intels_drivers(core: "ov.Core") -> None:
    if core.available_devices != ["CPU"]:
        pytest.skip("there are other devices")
    assert names(core) == {"cpu": "CPU"}
    with pytest.raises(EngineError, match=r"finds no device gpu here: it needs an Intel GPU.*It finds cpu\.$"):
        device_for(core, SPEC)
    with pytest.raises(EngineError, match="no device npu here: it needs an Intel NPU"):
        device_for(core, replace(SPEC, device="npu"))
    assert device_for(core, replace(SPEC, device="auto")) == CPU


def test_several_gpus_have_numbers_and_the_first_needs_none() -> None:
    class Machine:
        available_devices = ("CPU", "GPU.0", "GPU.1", "NPU")

    assert names(Machine()) == {"gpu": "GPU.0", "cpu": "CPU", "gpu.1": "GPU.1", "npu": "NPU"}  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_device_that_gives_the_cpus_picture_runs_the_network(precision: Any) -> None:
    if precision == "int8" and int8_of() != "dot products":
        pytest.skip("this CPU, in the place of a GPU, lets the sums of pairs saturate")
    spec = replace(SPEC, precision=precision)
    planes = trial_frame(spec)
    with create_engine("openvino", spec) as engine, create_engine("openvino", replace(spec, device="cpu")) as cpu:
        assert difference(engine.infer(planes), cpu.infer(planes)) is None
        assert engine.describe()["device"] == GPU, "HETERO has no name of its own"


@pytest.mark.slow
@pytest.mark.usefixtures("_gpu")
def test_a_network_of_the_users_is_tested_at_a_size_that_it_takes_and_in_the_type_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SR4K_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(openvino_trial, "_LEAST", 40)
    path = convolutions(tmp_path / "windows.onnx", unshuffle=32)
    with_card(path)
    spec = replace(SPEC, model=str(path))
    assert trial_size(spec) == (96, 128)
    monkeypatch.setattr(openvino_trial, "_WORK", 1e6)
    assert trial_size(spec) == (64, 64)
    fixed = convolutions(tmp_path / "fixed.onnx", fixed=(64, 72), unshuffle=8)
    with_card(fixed)
    for model in (path, fixed):
        with engine_for("openvino", replace(spec, model=str(model))) as engine:
            assert engine.describe()["device"] == GPU
    halves = half_precisions(shared_core(), CPU)
    monkeypatch.setattr(openvino_models, "half_precisions", lambda _core, device: halves if device == GPU else [])
    for half in halves:  # the device has it, and the CPU, with whose picture it is compared, does without
        assert judged(shared_core(), GPU, replace(spec, precision=half)).trouble is None


@pytest.mark.slow(seconds=1)
@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (black, "picture of a test frame is black"),
        (brighter, r"not the CPU's: it differs by [12]\.\d of 255 levels"),
    ],
)
def test_a_device_that_gives_another_picture_is_refused_with_the_difference(
    spoil: Callable[[Any], Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks(monkeypatch, spoil)
    with pytest.raises(EngineError, match=rf"OpenVINO's gpu .*is refused: .*{words}.*Use device=.cpu."):
        create_engine("openvino", SPEC).activate()


@pytest.mark.slow(seconds=1)
@pytest.mark.usefixtures("_gpu")
def test_auto_tells_why_it_passes_over_a_device_and_takes_the_cpu(
    core: "ov.Core", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    breaks(monkeypatch, black)
    assert device_for(core, replace(SPEC, device="auto")) == CPU
    assert "OpenVINO's gpu (HETERO:CPU) is not used: its picture of a test frame is black" in caplog.text


@pytest.mark.parametrize(("seconds", "taken"), [(0.01, GPU), (0.03, CPU)])
def test_auto_takes_a_device_that_passes_only_if_it_is_faster(
    seconds: float, taken: str, core: "ov.Core", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_devices, "names", lambda _: {"cpu": CPU, "gpu": GPU, "npu": "NPU"})
    verdicts = {GPU: Verdict(device="a card", seconds=seconds, cpu_seconds=0.02)}
    monkeypatch.setattr(
        openvino_devices,
        "judged",
        lambda _core, device, _spec: verdicts.get(device, Verdict(device="an NPU", trouble="it fails")),
    )
    assert device_for(core, replace(SPEC, device="auto")) == taken


@pytest.mark.usefixtures("_gpu")
def test_one_that_is_asked_for_and_slower_is_used_and_that_is_said(
    core: "ov.Core", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Verdict(device="UHD Graphics 620", seconds=0.03, cpu_seconds=0.0125)
    monkeypatch.setattr(openvino_devices, "judged", lambda *_: slow)
    with caplog.at_level(logging.WARNING):
        assert device_for(core, SPEC) == GPU
    assert (
        "gpu (UHD Graphics 620) is slower than the CPU: 30.0 ms for a frame of 640x360, the CPU 12.5 ms" in caplog.text
    )


def test_a_device_that_fails_is_refused_with_openvinos_words_and_tried_again_at_the_next_start(
    core: "ov.Core", tmp_path: Path
) -> None:
    if "GPU" in core.available_devices:
        pytest.skip("there is such a device")
    verdict = judged(core, "GPU", SPEC)
    assert verdict.trouble is not None and verdict.trouble.startswith("it fails (")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_verdict_is_kept_for_the_same_driver_device_network_and_precision(
    core: "ov.Core", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = judged(core, GPU, SPEC)
    (kept,) = tmp_path.iterdir()
    told = json.loads(kept.read_text())
    assert told["trouble"] is None and told["seconds"] > 0 and told["cpu_seconds"] > 0
    monkeypatch.setattr(openvino_devices, "_known", {})
    breaks(monkeypatch, black)
    assert judged(core, GPU, SPEC) == first, "it is not tested again"
    assert judged(core, GPU, replace(SPEC, height=32)) == first, "whatever the size of the frames"
    with monkeypatch.context() as patch:
        patch.setattr(openvino_devices, "_driver", lambda *_: "another driver")
        assert "black" in str(judged(core, GPU, SPEC).trouble)
    for other in (
        replace(SPEC, precision="int8"),
        replace(SPEC, model="rcan2"),
        replace(SPEC, colour=Colour(bits=10)),
    ):
        assert "black" in str(judged(core, GPU, other).trouble)
    kept.write_text("{")
    monkeypatch.setattr(openvino_devices, "_known", {})
    assert "black" in str(judged(core, GPU, SPEC).trouble), "a damaged file is none"


@pytest.mark.slow
def test_the_test_is_made_in_a_process_of_its_own() -> None:
    verdict = tried_apart(GPU, replace(SPEC, height=96, width=128))
    assert verdict.trouble is None and verdict.seconds > 0 and verdict.cpu_seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "trouble"),
    [
        ("os.kill(os.getpid(), 11)", "its test crashes (SIGSEGV)"),
        ("time.sleep(600)", "its test takes longer than 0 s"),
        ("sys.exit(3)", "its test ends with exit code 3"),
    ],
)
def test_a_driver_that_crashes_or_hangs_is_refused_with_that(
    work: str, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "driver_that_fails.py").write_text(f"import os, sys, time\ndef run(*_):\n    {work}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(openvino_trial, "__name__", "driver_that_fails")
    monkeypatch.setattr(openvino_trial, "_LIMIT", 0.4 if "sleep" in work else 60.0)
    assert tried_apart(GPU, SPEC) == Verdict(device=GPU, trouble=trouble)


@pytest.mark.slow(seconds=1)
def test_where_nothing_can_be_kept_the_test_is_made_at_each_start(
    core: "ov.Core", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SR4K_CACHE", str(tmp_path / "file"))
    assert judged(core, GPU, SPEC).trouble is None


@pytest.mark.parametrize("colour", [Colour(), Colour(bits=10), None], ids=str)
def test_rounding_in_half_precision_is_within_the_tolerance(colour: Colour | None, core: "ov.Core") -> None:
    spec = replace(SPEC, height=96, width=128, colour=colour, precision="fp32")
    exact = plan(core, CPU, spec)
    half = replace(exact, config={**exact.config, "INFERENCE_PRECISION_HINT": "f16"})
    pictures = [openvino_trial._timed(core, CPU, made, trial_frame(spec))[0] for made in (exact, half)]
    assert difference(pictures[1], pictures[0], 1 if colour is None else colour.unit) is None


def test_a_fault_in_one_corner_is_not_averaged_away() -> None:
    whole = np.full((100, 100, 24), 120, np.uint8)
    torn = whole.copy()
    torn[:8, :8] = 0
    assert "0.6 % of it by more than 8" in str(difference(torn, whole))
    nothing = np.full((4, 4, 48), np.nan, np.float32)
    assert difference(nothing, np.zeros_like(nothing)) is not None


def test_other_engines_have_no_devices() -> None:
    with pytest.raises(OptionError, match=r"device=.gpu. is for engine=.openvino.: leave it out"):
        create_engine("nearest", SPEC)
