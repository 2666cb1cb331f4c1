"""The plan of a first run on a GPU, rehearsed on the CPU, with the packages of that machine and no others."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

import gpu_check
import gpu_networks
import gpu_site
from gpu_facts import read_facts
from gpu_plan import CALLS, PARTS, Setting, steps_of

from sr4k.models.architecture import LumaShape
from sr4k.models.catalogue import architecture
from sr4k.sample import write_sample

pytestmark = pytest.mark.slow(seconds=30)

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
DOCS = (ROOT / "docs" / "gpu.md").read_text()
COMMANDS = {found[1]: found[0] for found in re.findall(r"^(set -o pipefail; .*gpu_check\.py ([ABC]) .*)$", DOCS, re.M)}

LACKING = {"av", "pydantic", "pydantic_core", "annotated_types", "typing_inspection", "openvino", "setproctitle",
           "multiprocessing_logging", "platformdirs", "tensorrt"}  # fmt: skip
"""Packages that the machine lacks, by the names that they are imported by."""


def packed() -> set[str]:
    listed = re.findall(r"^wheels=\((.*)\)$", (ROOT / "benchmarks" / "gpu_pack.sh").read_text(), re.M)[0]
    return {re.split("==", wheel)[0].replace("-", "_") for wheel in listed.split()}


def rehearse(call: str, folder: Path, carry: Path, hidden: set[str]) -> "subprocess.CompletedProcess[str]":
    """The command that the docs print, on the CPU, with a driver that shows a GPU and can do nothing with it."""
    driver = folder / "driver"
    driver.mkdir(exist_ok=True)
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", driver / "libcuda.so.1", SUPPORT / "stand_in_driver.c"], check=True
    )
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(SUPPORT / "bare_machine"),
        "HIDDEN_PACKAGES": ",".join(hidden),
        "LD_LIBRARY_PATH": str(driver),
        "TRITON_INTERPRET": "1",
        "STATE": str(folder / "state"),
        "OUT": str(folder / f"out-{call}"),
        "CARRY": str(carry),
    }
    return subprocess.run(
        ["bash", "-c", COMMANDS[call]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def of_part(facts: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [fact for fact in facts if fact["part"] == part]


def test_the_docs_have_each_call_as_one_command_of_less_than_2000_characters() -> None:
    assert set(COMMANDS) == set(CALLS)
    assert all(len(command) < 2000 for command in COMMANDS.values())
    assert {part for call in "AB" for part in CALLS[call].parts} == set(PARTS)


def test_calls_end_within_the_seconds_that_the_docs_allow_and_all_of_them_within_a_quarter_of_an_hour() -> None:
    allowed = list(map(int, re.findall(r"allow (\d+), (\d+) and (\d+) seconds", DOCS)[0]))
    unpacking, reading = 5, 1
    for seconds, call in zip(allowed, CALLS.values(), strict=True):
        assert seconds >= unpacking + call.seconds + gpu_check._GRACE + gpu_check._DYING + reading - 1
    starting, between = 120, 2 * 30
    assert starting + sum(allowed) + between <= 15 * 60


def test_predictions_stand_in_the_docs(tmp_path: Path) -> None:
    setting = Setting((1920, 1080), tmp_path, tmp_path, 0.0)
    predicted = {
        step.predicted_ms for part in PARTS for step in steps_of(part, setting) if step.predicted_ms is not None
    }
    assert len(predicted) > 8
    assert [text for text in predicted if text not in DOCS] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the calls are rehearsed one after the other, as on the machine."""
    return tmp_path_factory.mktemp("rehearsed")


@pytest.fixture(scope="module")
def first(folder: Path) -> "subprocess.CompletedProcess[str]":
    return rehearse("A", folder, folder / "nothing", LACKING)


@pytest.fixture(scope="module")
def second(folder: Path, first: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":  # noqa: ARG001
    (folder / "carry").mkdir()
    write_sample(folder / "carry" / "clip.mp4", seconds=0.04, size=(24, 16))
    return rehearse("B", folder, folder / "carry", LACKING - packed())


def test_without_pyav_the_first_call_goes_through_to_its_table(
    folder: Path, first: "subprocess.CompletedProcess[str]"
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    facts = read_facts(folder / "out-A" / "facts.jsonl")
    assert set(CALLS["A"].parts) == {fact["part"] for fact in facts}
    failed = {fact["what"] for fact in facts if "error" in fact or "left_out" in fact}
    assert failed <= {"nvidia-smi"}, first.stdout
    assert of_part(facts, "machine")[0]["gpus"].startswith("Stand-in")
    assert all(fact["right"] and fact.get("most_levels_apart", 0) <= 2 for fact in of_part(facts, "right"))
    assert "cuda, luma, fp16 of 10 bits" in [fact["what"] for fact in of_part(facts, "right")]
    assert all(fact["predicted_ms"] and fact["ms"] > 0 for fact in of_part(facts, "luma"))
    assert len(of_part(facts, "launches")) == 7
    at_once, *times = of_part(facts, "one-launch")
    assert all(row["right"] and row["share_apart"] == 0 and row["same_twice"] for row in (at_once, times[-1]))
    assert [row["predicted_ms"] for row in times if row["ms"] > 0] == ["0.10-0.13", "0.04-0.05", "0.11-0.14"]
    table = (folder / "out-A" / "table-A.md").read_text()
    assert first.stdout.rstrip().endswith(table.rstrip())
    assert "luma, int8, own kernels, to NV12" in table
    assert "Traceback" not in first.stdout


def test_with_what_is_packed_the_second_call_goes_through(
    folder: Path, second: "subprocess.CompletedProcess[str]"
) -> None:
    assert second.returncode == 0, second.stdout + second.stderr
    facts = read_facts(folder / "out-B" / "facts.jsonl")
    failed = {
        fact["what"]: fact.get("error", fact.get("left_out")) for fact in facts if not gpu_check.is_measured(fact)
    }
    without_gpu = {"ncu, int8 luma", "h264_nvenc opens", "hevc_nvenc opens", "av1_nvenc opens"}
    assert set(failed) <= without_gpu, failed
    assert "libnvidia-encode" in failed.get("h264_nvenc opens", "libnvidia-encode"), "FFmpeg's own reason is told"
    assert [row["frames"] for row in of_part(facts, "video") if "frames" in row] == [1, [1, 1], 1]
    assert [row["bits"] for row in of_part(facts, "video") if "bits" in row] == [[8, 10]]
    assert all(row["same_twice"] and row["right"] for row in of_part(facts, "whole"))
    assert all(row["right"] and row["ms"] > 0 for row in of_part(facts, "tunings"))
    assert [row["cpu_us_a_frame"] > 0 for row in of_part(facts, "engine") if "on the GPU" in row["what"]] == [True]


def test_the_third_call_measures_what_the_first_two_left(
    folder: Path,
    second: "subprocess.CompletedProcess[str]",  # noqa: ARG001
) -> None:
    state = folder / "state" / "facts.jsonl"
    facts = [fact for fact in read_facts(state) if fact["part"] not in {"ceilings", "peers"}]
    state.write_text("".join(json.dumps(fact) + "\n" for fact in facts) + '{"part": "peers", "what": "cut sho')
    again = rehearse("C", folder, folder / "carry", LACKING)
    assert again.returncode == 0, again.stdout + again.stderr
    measured = read_facts(folder / "out-C" / "facts.jsonl")
    parts = {fact["part"] for fact in measured}
    assert parts <= {"machine", "ceilings", "video", "peers", "profile"}, "what was measured is not measured again"
    assert {"ceilings", "peers"} <= parts
    assert {fact["what"] for fact in measured if fact["part"] == "machine"} <= {"nvidia-smi"}
    assert "tunings" in (folder / "out-C" / "table-C.md").read_text(), "the table has all calls"


def test_loads_in_one_two_and_four_stages_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_networks, "REHEARSAL", False)
    names = [step.what for step in steps_of("tunings", Setting((1920, 1080), tmp_path, tmp_path, 0.0))]
    assert names[:3] == [f"luma int8, {count} stages" for count in (1, 2, 4)]


def test_the_plans_of_one_launch_that_are_measured_fit_into_a_multiprocessor_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_networks, "REHEARSAL", False)
    names = [step.what for step in steps_of("tunings", Setting((1920, 1080), tmp_path, tmp_path, 0.0))]
    assert sum("one launch" in name for name in names) == len(set(gpu_networks.PLANS)) == 7
    for model, plan in gpu_networks.PLANS:
        shape = architecture(model)
        assert isinstance(shape, LumaShape)
        assert 2 * (plan.shared_bytes(shape.convs) + 1024) <= 228 * 1024, "what Hopper has"


def test_the_site_folder_has_the_whole_package_wherever_python_is_started(tmp_path: Path) -> None:
    made = subprocess.run([sys.executable, ROOT / "benchmarks" / "gpu_site.py", tmp_path], check=False)
    assert made.returncode == 0
    for start in (ROOT, tmp_path):  # the tree's own sr4k folder has no engines
        script = tmp_path / "program.py"  # as gpu_check.py is started: by its path, which keeps the current folder out
        script.write_text("import sr4k.engines, sr4k.media, sr4k.models.zoo as zoo; print(zoo.__file__)")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, str(script)]
        done = subprocess.run(command, cwd=start, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout.startswith(str(tmp_path)), done.stderr


def test_a_damaged_wheel_goes_missing_and_the_others_are_unpacked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.whl").write_bytes(b"PK\x03\x04 cut short")
    shutil.make_archive(str(tmp_path / "b"), "zip", ROOT / "configs")
    (tmp_path / "b.zip").rename(tmp_path / "b.whl")
    gpu_site.unpack_wheels([tmp_path / "a.whl", tmp_path / "b.whl"], tmp_path / "site")
    assert "a.whl is damaged, and goes missing" in capsys.readouterr().out
    assert (tmp_path / "site" / "gpu.yaml").exists()


def test_the_pack_fits_with_the_tree(tmp_path: Path) -> None:
    target = tmp_path / "carry"
    environment = {**os.environ, "PYTHON": sys.executable, "SECONDS_OF_CLIP": "0.2", "SIZE_OF_CLIP": "64x48"}
    command = [ROOT / "benchmarks" / "gpu_pack.sh", target]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "No matching distribution" in done.stderr or "ConnectionError" in done.stderr or "Could not find" in done.stderr:
        pytest.skip("needs a network to the package index")
    assert done.returncode == 0, done.stderr
    sizes = re.findall(r"packed ([\d.]+) MiB, tree ([\d.]+) MiB: ([\d.]+) of 62 MiB", done.stdout)
    carried, tree, total = map(float, sizes[0])
    assert total <= 62 and carried > 30 and tree > 1
    names = {path.name.partition("-")[0] for path in (target / "whl").iterdir()}
    assert names == packed()
