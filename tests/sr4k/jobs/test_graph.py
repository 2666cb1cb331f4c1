"""Graphs that presets make, and what becomes of their errors: the same for files and live streams."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from toy_stages import Collecting, Counting

from sr4k import load_preset
from sr4k.configs import Preset
from sr4k.engines.nvidia import Driver, Gpu
from sr4k.errors import InputError, InternalError, MachineError, OptionError, StoppedError
from sr4k.jobs.graph import assembled, run_assembled
from sr4k.media.options import EncoderChoice, WriteSettings
from sr4k.pipeline import GraphAborted, GraphSpec, Outcome, StageFailed, StageSpec, WorkerDied, WorkerSpec
from sr4k.stages.settings import ConvertSettings, InferSettings

DECODE, ENCODE = StageSpec("toys:Source"), StageSpec("toys:Sink")


def graph(preset: Preset, **options: Any) -> GraphSpec:
    return assembled(preset, decode=DECODE, convert=ConvertSettings(), encode=ENCODE, **options)


def upscaler(graph: GraphSpec) -> WorkerSpec:
    return next(worker for worker in graph.workers if worker.name == "upscale")


def infer(graph: GraphSpec) -> InferSettings:
    found = next(stage for worker in graph.workers for stage in worker.stages if "Infer" in stage.factory)
    assert isinstance(found.settings, InferSettings)
    return found.settings


def test_the_workers_are_those_of_the_preset_between_two_ends() -> None:
    spec = graph(load_preset("file"), cpus=1)
    assert [worker.name for worker in spec.workers] == ["decode", "upscale", "encode"]
    assert [spec.workers[0].stages, spec.workers[-1].stages] == [(DECODE,), (ENCODE,)]
    names = [stage.factory.partition(":")[2] for stage in spec.workers[1].stages]
    assert names == ["Preprocess", "Infer", "Reconstruct", "Convert"]
    assert spec.slots == (4, 4)


def test_lanes_share_the_cpus() -> None:
    spec = graph(load_preset("file").updated("engine", name="nearest"), cpus=64)
    assert (upscaler(spec).lanes, infer(spec).threads) == (4, 16)


def test_a_device_of_openvino_is_asked_of_openvino_and_has_one_lane() -> None:
    preset = load_preset("file").updated("engine", device="gpu.1")
    spec = graph(preset, cpus=64)
    assert (infer(spec).engine, infer(spec).device, infer(spec).fallbacks) == ("openvino", "gpu.1", ())
    assert upscaler(spec).lanes == 1
    assert upscaler(graph(load_preset("file").updated("engine", device="auto"), cpus=64)).lanes == 4
    assert infer(graph(load_preset("file").updated("engine", name="openvino"))).device == "cpu"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ({"device": "tpu"}, r"engine\.device: must be cpu, gpu, npu or auto, or gpu\.1"),
        (
            {"device": "gpu", "name": "torch"},
            r"engine\.device: must be cpu, because only the engine openvino has others",
        ),
    ],
)
def test_a_device_that_is_none_of_openvinos_or_of_another_engine_is_refused(engine: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        load_preset("file").updated("engine", **engine)


def test_where_each_picture_is_to_be_done_at_once_one_network_has_all_cpus() -> None:
    spec = graph(load_preset("file").updated("engine", name="nearest"), cpus=64, prompt=True)
    assert (upscaler(spec).lanes, infer(spec).threads, infer(spec).prompt) == (1, 64, True)


@pytest.mark.parametrize("prompt", [False, True])
def test_pictures_stay_on_a_gpu_unless_each_is_to_be_done_at_once(
    prompt: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Driver((13, 0), (Gpu(0, "a card", (9, 0), 2**36),))
    monkeypatch.setattr("sr4k.engines.nvidia.driver", lambda: found)
    spec = graph(load_preset("gpu"), prompt=prompt)
    assert ("sr4k.stages.gpu:GpuDecode" in [stage.factory for stage in spec.workers[0].stages]) is not prompt
    pictures = graph(load_preset("gpu"), prompt=prompt, rgb_bits=8)
    assert "convert" in [stage.name for worker in pictures.workers for stage in worker.stages]
    if not prompt:  # people read of them what they read of stages on the CPU
        assert [stage.name for stage in spec.workers[0].stages] == ["decode", "infer", "download"]


@pytest.mark.parametrize(
    ("encoder", "stage"), [("auto", "GpuEncode"), ("nvenc", "GpuEncode"), ("software", "Encode"), ("qsv", "Encode")]
)
def test_pictures_on_a_gpu_go_to_nvenc_unless_another_encoder_is_named(
    encoder: EncoderChoice, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sr4k.engines.nvidia.driver", lambda: Driver((13, 0), (Gpu(0, "a card", (9, 0), 2**36),)))
    here = Path("here")
    settings = WriteSettings(codec="auto", encoder=encoder, source=here, path=here, parts=here)
    spec = assembled(
        load_preset("nvenc"),
        decode=DECODE,
        convert=ConvertSettings(),
        encode=StageSpec("sr4k.stages.encode:Encode", settings),
    )
    assert spec.workers[0].stages[-1].factory.endswith(f":{stage}")


def ended(how: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a graph that ends like this."""

    def run_graph(*_: Any, **__: Any) -> Outcome:
        raise how

    monkeypatch.setattr("sr4k.jobs.graph.run_graph", run_graph)
    run_assembled(GraphSpec((), ()), on_status=lambda _: None, stop_requests=lambda: 0)


@pytest.mark.parametrize(
    ("reason", "told", "words"),
    [
        (InputError("in.mp4 is no video."), InputError, "in.mp4 is no video"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), MachineError, "raise the limit"),
        (ValueError("the adder broke"), InternalError, "decode failed: the adder broke"),
        (KeyError(), InternalError, "decode failed: KeyError"),
    ],
)
def test_what_a_stage_fails_of_is_told_in_our_words(
    reason: Exception, told: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(told, match=words):
        ended(StageFailed("decode", reason, "a trace"), monkeypatch)


def test_whether_the_death_of_a_worker_is_the_end_is_for_the_job_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoppedError, match="at once"):
        ended(GraphAborted("stopped at once"), monkeypatch)
    with pytest.raises(WorkerDied, match="decode died"):
        ended(WorkerDied("decode died"), monkeypatch)


def test_where_no_process_can_be_started_workers_are_threads_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    for name in ("executable", "prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path / "server"))  # as in a program that embeds Python
    first = WorkerSpec("first", (StageSpec("toy_stages:Counter", Counting(3)),))
    last = WorkerSpec("last", (StageSpec("toy_stages:Collector", Collecting(tmp_path / "out")),))
    for _ in range(2):
        run_assembled(GraphSpec((first, last), (2,)), on_status=lambda _: None, stop_requests=lambda: 0)
    assert (tmp_path / "out").read_text().splitlines() == [f"{n} {n} {n}" for n in range(3)]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "There is no Python to start processes with, so workers are threads"
    ]
