"""Summaries of jobs: typed in Python, and the same keys as ever in JSON."""

import json
from dataclasses import replace
from pathlib import Path

from toy_statuses import statuses

from sr4k.jobs.summary import summarised, summarised_live
from sr4k.media.reports import DecodeReport, EncodeReport, EngineReport, SourceReport, VideoReport
from sr4k.pipeline import Outcome, WorkerStatus
from sr4k.pipeline.chain import StageClock

ENGINE = EngineReport(engine="toy", model="luma", precision="int8", threads=2, macs=9.0)
SOURCE = SourceReport(
    width=64, height=48, codec="h264", rate=25.0, expected_frames=3, frames_counted=True, expected_seconds=0.12
)
VIDEO = VideoReport(codec="libx264", width=128, height=96, container="mp4")


def status(worker: str, stage: str, report: object) -> WorkerStatus:
    return WorkerStatus(worker, (StageClock(stage, 0.5, 3),), 4.0, 1.0, 2.0, 3.0, 0, {stage: report})


def outcome(*engines: EngineReport) -> Outcome:
    lanes = [status(f"upscale {k}", "infer", report) for k, report in enumerate(engines, 1)]
    workers = [
        status("decode", "decode", DecodeReport(source=SOURCE)),
        *lanes,
        status("encode", "encode", EncodeReport(video=VIDEO, frames=3)),
    ]
    return Outcome({worker.worker: worker for worker in workers}, seconds=1.5)


def test_json_of_a_job_on_files_has_these_keys() -> None:
    work, process = {"busy": 0.5, "frames": 3}, {"cpu": 3.0, "waited_in": 1.0, "waited_out": 2.0, "running": 4.0}
    told = json.loads(json.dumps(summarised(Path("out.mp4"), outcome(ENGINE)).as_dict()))
    assert told == {
        "seconds": 1.5,
        "engine": {"engine": "toy", "model": "luma", "precision": "int8", "threads": 2, "macs": 9.0, "lanes": 1},
        "output": "out.mp4",
        "frames": 3,
        "resumed": 0,
        "stopped": False,
        "source": {
            "width": 64,
            "height": 48,
            "codec": "h264",
            "rate": 25.0,
            "expected_frames": 3,
            "frames_counted": True,
            "expected_seconds": 0.12,
            "start": 0.0,
            "resumed": 0,
            "frames": 0,
            "interlaced": 0,
            "changes": [],
            "joins": [],
            "seconds": 0.0,
        },
        "video": {
            "codec": "libx264",
            "width": 128,
            "height": 96,
            "container": "mp4",
            "converted": [],
            "until": 0.0,
            "latency": None,
        },
        "losses": {
            "packets": 0,
            "missing": 0,
            "concealed": 0,
            "retimed": 0,
            "first_at": None,
            "reasons": [],
            "places": [],
            "unlisted": 0,
            "earlier": 0,
            "copying": None,
        },
        "left_out": [],
        "stages": {"decode": work, "infer": work, "encode": work},
        "processes": {"decode": process, "upscale 1": process, "encode": process},
        "goes_on": False,
        "fps": 2.0,
        "damaged": False,
    }


def test_json_has_what_some_engines_alone_report() -> None:
    rich = replace(ENGINE, version="1.2", device="a CPU", kept=False, tiles=4)
    engine = summarised(Path("out.mp4"), outcome(rich)).as_dict()["engine"]
    assert (engine["version"], engine["device"], engine["kept"], engine["tiles"]) == ("1.2", "a CPU", False, 4)


def test_lanes_are_added_up_but_for_the_share_that_was_computed() -> None:
    summary = summarised(Path("out.mp4"), outcome(replace(ENGINE, computed=0.25), replace(ENGINE, computed=0.75)))
    assert (summary.engine.lanes, summary.engine.computed) == (2, 0.5)
    assert (summary.stages["infer"].busy, summary.stages["infer"].frames) == (1.0, 6)


def test_json_of_a_live_channel_has_these_keys() -> None:
    ran = summarised_live(Outcome(statuses()), 1.5, 2).as_dict()
    assert [*ran] == ["seconds", "engine", "restarts", "intake", "playout"]
    assert [*ran["engine"]] == ["engine", "device", "model", "precision", "threads", "macs", "computed"]
    assert (ran["intake"]["connects"], ran["playout"]["keyframes"]) == (3, 4)


def test_a_live_channel_whose_stages_told_nothing_has_empty_reports() -> None:
    told = summarised_live(Outcome({}), 1.5, 2).as_dict()
    assert told == {"seconds": 1.5, "engine": {}, "restarts": 2, "intake": {}, "playout": {}}
