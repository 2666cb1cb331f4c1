"""The doctor on this machine, and on simulated ones."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from rig.fair_time import Stopwatch
from sr4k.doctor import SECTIONS, Finding, engines, examine, nvidia
from sr4k.engines import openvino_devices
from sr4k.engines.nvidia import Driver, Gpu
from sr4k.engines.openvino_trial import Verdict

SUPPORT = Path(__file__).parents[2] / "support"


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "sr4k", "doctor", *args]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=env)


class TestCommand:
    @pytest.mark.slow
    def test_it_tells_this_machine_in_text(self) -> None:
        done = run()
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        *titles, conclusion = [line for line in lines if not line.startswith(" ")]
        assert titles == list(SECTIONS)
        assert conclusion.startswith("Ready: openvino will upscale videos.")
        marks = {line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")}
        assert "ok" in marks and marks <= {"ok", "optional", "problem"}
        assert any(re.match("  ok +encoder libx264, libx265, libsvtav1", line) for line in lines)

    @pytest.mark.slow
    def test_and_in_json(self, tmp_path: Path) -> None:
        ffmpeg = tmp_path / "ffmpeg"
        ffmpeg.write_text("#!/bin/sh\necho srt\n")
        ffmpeg.chmod(0o755)
        done = run("--json", CUDA_VISIBLE_DEVICES="", PATH=f"{tmp_path}:{os.environ['PATH']}")
        report = json.loads(done.stdout)
        assert (done.returncode, done.stderr, report["engine"]) == (0, "", "openvino")
        assert list(report["sections"]) == list(SECTIONS)
        found = {f["name"]: f for findings in report["sections"].values() for f in findings}
        assert found["CPUs"]["facts"]["affinity"] == len(os.sched_getaffinity(0))
        assert found["openvino"]["facts"]["version"]
        assert found["openvino"]["facts"]["precision"] in ("int8", "fp32")
        assert found["FFmpeg"]["facts"]["pyav"] == version("av")
        for name in ("encoder libx264", "encoder libx265", "encoder libsvtav1", "decoder hevc", "decoder libdav1d"):
            assert (found[name]["state"], found[name]["told"]) == ("ok", "works")
        assert {found[name]["state"] for name in ("rtmp", "rtsp", "udp", "https", "hls")} == {"ok"}
        assert (found["srt"]["state"], found["srt"]["told"]) == ("ok", f"by {ffmpeg}")
        has_certificates = find_spec("cryptography") or int(version("av").split(".")[0]) >= 19
        assert found["whip"]["state"] == ("ok" if has_certificates else "optional")
        gpu = {name: f["told"] for name, f in found.items() if name.startswith(("NVDEC", "NVENC"))}
        assert len(gpu) == 7 and set(gpu.values()) == {"no NVIDIA GPU"}

    @pytest.mark.slow
    def test_where_nothing_can_upscale_it_says_so_and_ends_as_an_engine_error(self, tmp_path: Path) -> None:
        (tmp_path / "openvino.py").write_text("raise ImportError('half installed')")
        done = run("--json", CUDA_VISIBLE_DEVICES="", PYTHONPATH=str(tmp_path), PATH=str(tmp_path))
        report = json.loads(done.stdout)
        found = {finding["name"]: finding for findings in report["sections"].values() for finding in findings}
        assert (done.returncode, report["engine"]) == (5, None)
        assert (found["openvino"]["state"], found["--engine auto"]["state"]) == ("problem", "problem")
        assert "half installed" in found["openvino"]["told"]
        assert (found["srt"]["state"], found["srt"]["mend"]) == ("optional", "apt-get install ffmpeg")


class TestProbesThatFail:
    @pytest.fixture(autouse=True)
    def _found_by_children(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(SUPPORT))

    @staticmethod
    def findings(home: str, limit: float = 240) -> list[Finding]:
        return examine({"Toys": home}, limit).sections["Toys"]

    def test_one_that_raises_is_a_line_and_the_others_go_on(self) -> None:
        assert self.findings("toy_probes:RAISING") == [
            Finding("raises", "problem", "the check failed (RuntimeError: no luck)"),
            Finding("first", "ok", "works", facts={"number": 1}),
        ]

    def test_one_that_crashes_costs_the_rest_of_its_section(self) -> None:
        first, crash = self.findings("toy_probes:CRASHING")
        assert first.told == "works"
        assert crash.state == "problem" and "Segmentation fault" in crash.told

    @pytest.mark.slow
    def test_one_that_hangs_has_a_time_limit(self) -> None:
        watch = Stopwatch()
        first, hung = self.findings("toy_probes:HANGING", limit=5)
        assert first.told == "works" and "took longer than 5 s" in hung.told
        assert watch.fair < 15

    def test_a_section_that_cannot_be_imported_is_a_line(self) -> None:
        (line,) = self.findings("nowhere:PROBES")
        assert line.state == "problem" and "ModuleNotFoundError" in line.told


class TestDevices:
    @pytest.mark.parametrize(
        ("verdict", "state", "told"),
        [
            (Verdict(device="Arc", seconds=0.002, cpu_seconds=0.01), "ok", "2.0 ms .* the CPU 10.0 ms: --device gpu"),
            (Verdict(device="Arc", seconds=0.02, cpu_seconds=0.01), "ok", "--device cpu is faster"),
            (Verdict(device="Arc", trouble="its picture is black"), "problem", "Arc: its picture is black"),
        ],
    )
    def test_a_gpu_is_told_with_its_speed_or_with_what_is_wrong(
        self, verdict: Verdict, state: str, told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openvino_devices, "names", lambda _: {"cpu": "CPU", "gpu": "GPU"})
        monkeypatch.setattr(openvino_devices, "judged", lambda *_: verdict)
        cpu, gpu, npu = engines.PROBES[-1]()
        assert (cpu.state, gpu.state, npu.state) == ("ok", state, "optional")
        assert re.search(told, gpu.told)
        assert (gpu.mend is not None) is (state == "problem")
        assert "an Intel NPU" in npu.told


class TestNvidia:
    @staticmethod
    def findings(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> dict[str, Finding]:
        monkeypatch.setattr(nvidia, "driver", lambda: driver)
        return {finding.name: finding for probe in nvidia.PROBES for finding in probe()}

    def test_gpus_are_told_with_what_matters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = self.findings(monkeypatch, Driver((13, 0), (Gpu(0, "Test Card", (8, 9), 24 * 2**30),)))
        assert found["driver"].facts["cuda"] == "13.0"
        assert found["GPU 0"].told == "Test Card, compute capability 8.9, 24 GiB"

    @pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="the libraries may be there")
    def test_a_container_without_the_video_capability_is_told_with_what_gives_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = self.findings(monkeypatch, Driver((13, 0), (Gpu(0, "Test Card", (8, 9), 2**34),)))
        for library in ("libnvcuvid.so.1", "libnvidia-encode.so.1"):
            assert found[library].state == "problem"
            assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility,video" in (found[library].mend or "")

    @pytest.mark.parametrize(
        ("visible", "trouble", "told", "mend"),
        [
            ("", "CUDA_ERROR_NO_DEVICE", "CUDA_VISIBLE_DEVICES='' hides all GPUs", "unset CUDA_VISIBLE_DEVICES"),
            (None, "CUDA_ERROR_NO_DEVICE", "sees no GPU", "nvidia-smi"),
            ("0", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "have different versions", "sudo reboot"),
            (None, "CUDA_ERROR_UNKNOWN", "CUDA_ERROR_UNKNOWN", "nvidia-smi"),
        ],
    )
    def test_a_driver_without_a_gpu_is_told_with_the_cause(
        self, visible: str | None, trouble: str, told: str, mend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        gpu = self.findings(monkeypatch, Driver((12, 4), trouble=trouble))["GPU"]
        assert gpu.state == "problem" and told in gpu.told
        assert gpu.mend == mend

    @pytest.mark.parametrize(("vendor", "state"), [("0x10de", "problem"), ("0x8086", "optional")])
    def test_a_gpu_without_a_driver_is_a_problem(
        self, vendor: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = tmp_path / "0000:01:00.0"
        device.mkdir()
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text("0x030000\n")
        monkeypatch.setattr(nvidia, "_PCI", tmp_path)
        monkeypatch.setattr(nvidia, "_KERNEL_MODULE", tmp_path / "none")
        assert self.findings(monkeypatch, Driver())["driver"].state == state

    def test_a_kernel_module_without_libcuda_is_a_container_without_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = tmp_path / "version"
        module.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n")
        monkeypatch.setattr(nvidia, "_KERNEL_MODULE", module)
        driver = self.findings(monkeypatch, Driver())["driver"]
        assert driver.state == "problem" and "580.95.05" in driver.told
