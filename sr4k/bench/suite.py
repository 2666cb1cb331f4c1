"""Runs all measurements."""

import logging
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sr4k.bench import InputSize, Part, machine
from sr4k.bench.engine_alone import measure_engine
from sr4k.bench.peak import int8_peak
from sr4k.bench.whole import latency, many, run_pipeline, stages_alone
from sr4k.configs import Preset
from sr4k.engines.cpu import granted_cpus
from sr4k.jobs.model_choice import engines_of
from sr4k.jobs.parse import Size
from sr4k.media.sample_pattern import RATE
from sr4k.sample import write_sample

log = logging.getLogger(__name__)

_PACE = 0.6
"""Latency is measured at this share of the pipeline's throughput, so that frames don't queue."""

_STREAMS = (2, 4)
_LANES = (1, 2, 4, 8)


def run_suite(
    preset: Preset, *, parts: Iterable[Part], sizes: Iterable[InputSize], models: list[str], frames: int, rounds: int
) -> dict[str, Any]:
    """Run the measurements, and return the results as plain data for JSON. Reuse is off: all tiles are computed.

    Args:
        preset: preset of the pipelines.
        parts: measurements to run.
        sizes: sizes of the input.
        models: names of networks; all parts but the engine alone use the first.
        frames: number of frames in each clip; the clips are generated.
        rounds: number of times the engine and the pipeline are measured.

    Raises:
        InternalError: a network did not run on every frame that was counted.
    """
    engine, *_ = engines_of(preset.engine)  # no fallback: all results are of one engine
    preset, parts = preset.updated("engine", name=engine, model=models[0], reuse=False), set(parts)
    result: dict[str, Any] = {"machine": machine.describe(), "int8_peak": 0.0, "models": models, "sizes": {}}
    with tempfile.TemporaryDirectory(prefix="sr4k-bench-") as folder:
        for name in sizes:
            clip = Path(folder) / f"{name}.mp4"
            if parts - {Part.ENGINE}:
                log.info("%s: a clip of %d frames", name, frames)
                write_sample(clip, seconds=frames / RATE, size=name.pixels)
            found = result["sizes"][name] = dict[str, Any]()
            for part in (part for part in Part if part in parts):
                log.info("%s: %s", name, part)
                # Measured before each part, because other guests of a shared machine slow it down for minutes.
                result["int8_peak"] = max(result["int8_peak"], int8_peak(granted_cpus()))
                found[part] = _MEASURES[part](_Task(preset, models, clip, name.pixels, rounds, found))
    for found in result["sizes"].values():
        for row in found.get(Part.ENGINE, {}).values():
            row["share_of_peak"] = row["macs_a_second"] / result["int8_peak"]
    return result


class _Task:
    """Arguments of a measurement."""

    def __init__(
        self,
        preset: Preset,
        models: list[str],
        clip: Path,
        size: Size,
        rounds: int,
        found: dict[str, Any],
    ) -> None:
        self.preset, self.models, self.clip, self.size = preset, models, clip, size
        self.rounds, self.found = rounds, found
        self.target = clip.with_stem(f"{clip.stem}-out")


def _engine(task: _Task) -> dict[str, Any]:
    engine, found = task.preset.engine, {}
    for model in task.models:
        timed = measure_engine(
            engine.name, model, task.size, precision=engine.precision, device=engine.device, rounds=task.rounds
        )
        found[model] = {
            "seconds_a_frame": timed.rounds,
            "median": timed.median,
            "precision": timed.about["precision"],
            "macs": timed.macs,
            "macs_a_second": timed.macs / timed.median,
        }
    return found


def _stages(task: _Task) -> dict[str, Any]:
    return stages_alone(task.clip, task.target, task.preset)


def _pipeline(task: _Task) -> dict[str, Any]:
    runs = [run_pipeline(task.clip, task.target, task.preset) for _ in range(task.rounds)]
    ranked = sorted(runs, key=lambda run: run.steady()["fps"])
    middle = ranked[len(ranked) // 2]
    summary = middle.summary
    return {
        **middle.steady(),
        "rounds": [run.steady()["fps"] for run in runs],
        "fps_with_start_up": summary.fps,
        "stages": {name: stage.busy / stage.frames for name, stage in summary.stages.items()},
        "course": [asdict(moment) for moment in middle.moments],
    }


def _latency(task: _Task) -> dict[str, Any]:
    pipeline = task.found.get("pipeline") or run_pipeline(task.clip, task.target, task.preset).steady()
    return latency(task.clip, task.target, task.preset, _PACE * pipeline["fps"])


def _lanes(task: _Task) -> dict[str, Any]:
    """Measure the numbers of lanes in turn, so that other load on the machine affects all alike."""
    counts = [count for count in _LANES if count <= granted_cpus()]
    presets = {count: task.preset.updated("graph", lanes=count) for count in counts}
    rounds = [
        {count: run_pipeline(task.clip, task.target, preset).steady()["fps"] for count, preset in presets.items()}
        for _ in range(task.rounds)
    ]
    return {str(count): [found[count] for found in rounds] for count in counts}


def _streams(task: _Task) -> dict[str, Any]:
    return {str(count): many(task.clip, task.clip.parent, task.preset, count) for count in _STREAMS}


_MEASURES: dict[Part, Callable[[_Task], dict[str, Any]]] = {
    Part.ENGINE: _engine,
    Part.STAGES: _stages,
    Part.PIPELINE: _pipeline,
    Part.LATENCY: _latency,
    Part.LANES: _lanes,
    Part.STREAMS: _streams,
}
