"""``sr4k bench``: its measurements, and its checks that the network ran."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from full_disks import full_disk
from typer.testing import CliRunner

from sr4k.bench import InputSize, Part, suite
from sr4k.bench import engine_alone as engine_bench
from sr4k.bench.engine_alone import measure_engine
from sr4k.bench.peak import int8_peak
from sr4k.bench.report import as_markdown, plot, store
from sr4k.bench.suite import run_suite
from sr4k.bench.whole import Moment, PipelineRun, latency, many, run_pipeline, stages_alone
from sr4k.cli.main import app
from sr4k.configs import STAGES, Preset, load_preset
from sr4k.engines import EngineSpec
from sr4k.engines.base import Plane
from sr4k.engines.cpu import granted_cpus
from sr4k.engines.nearest import NearestEngine
from sr4k.errors import InternalError, OutputError
from sr4k.models.geometry import MARGIN, PAD_AFTER, PAD_BEFORE
from sr4k.sample import write_sample

SIZE = (96, 64)


class BicubicEngine(NearestEngine):
    """An engine that must not pass for a network."""

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        super().submit_impl(planes)
        picture = planes[0][PAD_BEFORE:-PAD_AFTER, PAD_BEFORE:-PAD_AFTER]
        large = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        rows, columns = picture.shape[0] // 2, picture.shape[1] // 2
        cells = large.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(rows, columns, 16)
        self._results[-1][0][MARGIN:-MARGIN, MARGIN:-MARGIN] = cells


class ForgetfulEngine(NearestEngine):
    """Gives another result each time."""

    def submit_impl(self, planes: Sequence[Plane]) -> None:
        super().submit_impl(planes)
        luma = self._results[-1][0]
        luma += np.uint8(id(planes) % 7 + len(self._results) + self._count())

    def _count(self) -> int:
        self._calls = getattr(self, "_calls", 0) + 1
        return self._calls


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "clip.mp4"
    write_sample(path, seconds=2, size=SIZE)
    return path


@pytest.fixture(scope="module")
def preset() -> Preset:
    return load_preset("file").updated("encode", crf=1)


class TestEngine:
    def test_every_round_is_timed(self) -> None:
        timed = measure_engine("openvino", "luma", SIZE, frames=4, rounds=3)
        assert len(timed.rounds) == 3 and min(timed.rounds) > 0
        assert timed.median == sorted(timed.rounds)[1]
        assert timed.macs == timed.about["macs"] > 0

    @pytest.mark.parametrize(
        ("engine", "told"), [(BicubicEngine, "no network ran"), (ForgetfulEngine, "differs from its first result")]
    )
    def test_what_did_not_run_a_network_is_not_timed(
        self, engine: type[NearestEngine], told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def create(_name: str, spec: EngineSpec) -> NearestEngine:
            return engine(spec)

        monkeypatch.setattr(engine_bench, "engine_for", create)
        with pytest.raises(InternalError, match=told):
            measure_engine("any", "luma", SIZE, frames=8, rounds=1)

    @pytest.mark.slow(seconds=1)
    def test_the_peak_is_above_what_a_network_reaches(self) -> None:
        timed = measure_engine("openvino", "luma", (640, 360), precision="fp32", frames=4, rounds=1)
        assert int8_peak(granted_cpus()) > timed.macs / timed.median


class TestWhole:
    @pytest.mark.slow
    def test_a_pipeline_is_watched(self, clip: Path, tmp_path: Path, preset: Preset) -> None:
        run = run_pipeline(clip, tmp_path / "out.mp4", preset)
        assert run.summary.frames == 50
        assert run.moments[-1].frames == 50
        assert set(run.moments[-1].depths) == {"decode", "upscale", "encode"}

    @pytest.mark.slow
    def test_an_output_without_the_network_is_told(
        self, clip: Path, tmp_path: Path, preset: Preset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sr4k.bench import whole

        monkeypatch.setattr(whole, "create_engine", lambda _name, spec: NearestEngine(spec))
        with pytest.raises(InternalError, match=r"does not show the network.s result"):
            run_pipeline(clip, tmp_path / "out.mp4", preset)

    @pytest.mark.slow
    def test_the_steady_part_leaves_out_start_and_end(self, clip: Path, tmp_path: Path, preset: Preset) -> None:
        summary = run_pipeline(clip, tmp_path / "out.mp4", preset).summary
        course = [(0.0, 0, 0.0), (3.0, 20, 4.0), (4.0, 30, 5.0), (5.0, 50, 6.0), (9.0, 50, 9.0)]
        run = PipelineRun(summary, [Moment(seconds, frames, cpu, {}) for seconds, frames, cpu in course])
        assert run.steady()["fps"] == pytest.approx(15)
        assert run.steady()["cpu_seconds_a_frame"] == pytest.approx(2 / 30)
        assert run.steady()["cpus_used"] == pytest.approx(1 / granted_cpus())

    def test_a_run_that_ends_between_two_samples_counts_whole(self) -> None:
        summary: Any = SimpleNamespace(frames=4)
        run = PipelineRun(summary, [Moment(0.2, 0, 0.1, {}), Moment(0.5, 4, 0.8, {}), Moment(0.7, 4, 0.9, {})])
        assert run.steady()["fps"] == pytest.approx(8)
        assert run.steady()["cpu_seconds_a_frame"] == pytest.approx(0.2)

    def test_each_stage_has_its_time(self, clip: Path, tmp_path: Path, preset: Preset) -> None:
        found = stages_alone(clip, tmp_path / "out.mp4", preset, frames=6)
        assert tuple(found) == STAGES
        assert found["infer"] > found["convert"] >= 0

    @pytest.mark.slow
    def test_latency_is_that_of_a_paced_source(self, clip: Path, tmp_path: Path, preset: Preset) -> None:
        found = latency(clip, tmp_path / "out.mp4", preset, rate=50)
        assert 0 < found["median"] <= found["p95"] < 5

    @pytest.mark.slow
    def test_many_run_at_once(self, clip: Path, tmp_path: Path, preset: Preset) -> None:
        found = many(clip, tmp_path, preset, 2)
        assert found["streams"] == 2 and found["fps"] > 0
        assert 0 < found["slowest_to_fastest"] <= 1


@pytest.mark.slow
def test_the_suite_gives_a_page_and_a_plot(preset: Preset, tmp_path: Path) -> None:
    parts = [Part.STAGES, Part.ENGINE, Part.LANES]
    result = run_suite(preset, parts=parts, sizes=[InputSize.P540], models=["luma-fast"], frames=4, rounds=1)
    page = as_markdown(json.loads(json.dumps(result)), "sr4k bench")
    assert "| 540p | luma-fast | " in page and "Each stage alone" in page
    assert "Lanes: networks in parallel" in page and "| 540p | 1 | " in page
    assert "file to file" not in page
    plot(result, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


@pytest.mark.slow
def test_results_for_which_there_is_no_room_leave_the_former_ones(tmp_path: Path) -> None:
    empty: dict[str, Any] = {"sizes": {}, "models": ["luma"]}
    store(tmp_path, "bench", {"before": 1}, "before")
    (tmp_path / "bench.png").write_bytes(b"before")
    former = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(former) == ["bench.json", "bench.md", "bench.png"]
    with full_disk(1000):
        with pytest.raises(OutputError, match=r"/bench\.json can't be written \(File too large\)"):
            store(tmp_path, "bench", {"after": 1000 * "a"}, "after")
        with pytest.raises(OutputError, match=r"/bench\.png can't be written \(File too large\)"):
            plot(empty, tmp_path / "bench.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == former


def test_the_folder_of_results_is_made_before_the_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def fails(*_given: object, **_options: object) -> None:
        seen.append((tmp_path / "out").is_dir())
        raise InternalError("No network ran.")

    monkeypatch.setattr(suite, "run_suite", fails)
    done = CliRunner().invoke(app, ["bench", "--out", "/proc/out"])
    assert done.exit_code == 4 and "/proc" in done.stderr and not seen
    done = CliRunner().invoke(app, ["bench", "--out", str(tmp_path / "out")])
    assert done.stderr.startswith("error: No network ran.") and seen == [True]
    assert not (tmp_path / "out").exists(), "nothing came of it"


def test_the_command_names_what_it_knows() -> None:
    result = CliRunner().invoke(app, ["bench", "--size", "8k"])
    assert result.exit_code == 2
    assert "1440p" in result.output


def test_a_missing_plot_library_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = CliRunner().invoke(app, ["bench", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "pip install 'sr4k-stream[eval]'" in result.output
    assert not (tmp_path / "out").exists()


def test_a_network_without_weights_is_told_before_anything_is_measured() -> None:
    result = CliRunner().invoke(app, ["bench", "--model", "luma", "--model", "rcan-full"])
    assert result.exit_code == 2
    assert result.output.startswith("error: No weights of rcan-full ship with the package: sr4k eval --weights ")


@pytest.mark.parametrize(("command", "extra"), [("bench", "[eval]"), ("eval", "[fid]"), ("compare", "[eval]")])
def test_help_names_the_extra(command: str, extra: str) -> None:
    assert extra in CliRunner().invoke(app, [command, "--help"]).output
