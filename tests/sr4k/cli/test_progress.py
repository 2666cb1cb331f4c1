import io
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from clips import MakeClip
from rich.console import Console

from sr4k.cli import progress, progress_bars
from sr4k.cli.progress import Display, JsonLines, Lines, Silent, parse_progress, until_next_line
from sr4k.cli.progress_bars import ProgressBars
from sr4k.cli.stream_app import stream_app
from sr4k.cluster.machine_report import CLUSTER, ClusterReport, NodeWork
from sr4k.errors import OptionError
from sr4k.jobs.file_progress import Gauge
from sr4k.media.reports import DecodeReport, EncodeReport, SourceReport, VideoReport
from sr4k.pipeline import WorkerStatus
from sr4k.pipeline.chain import StageClock

COUNTED = {"expected_frames": 100, "rate": 25.0}
GUESSED = {"expected_frames": 744, "frames_counted": False, "expected_seconds": 30.0, "rate": 25.0, "start": 5.0}


def statuses(
    frames: int, infer: float, encode: float, source: dict[str, Any] = COUNTED, until: float = 0.0
) -> dict[str, WorkerStatus]:
    read = {"width": 64, "height": 48, "codec": "h264", "frames_counted": True, "expected_seconds": None, **source}
    video = VideoReport(codec="libx264", width=128, height=96, container="mp4", until=until)
    reports = {"encode": EncodeReport(video=video), "decode": DecodeReport(source=SourceReport(**read))}
    return {
        "upscale": WorkerStatus("upscale", (StageClock("infer", infer, frames + 2),), 0, 0, 0, 0, 0, {"infer": {}}),
        "encode": WorkerStatus("encode", (StageClock("encode", encode, frames),), 0, 0, 0, 0, 0, reports),
    }


def test_speed_time_left_and_load_are_of_the_last_seconds() -> None:
    gauge = Gauge()
    gauge.update(statuses(0, 0.0, 0.0), now=0.0)
    gauge.update(statuses(1, 10.0, 0.1), now=10.0)
    for second in range(1, 11):
        gauge.update(statuses(1 + 5 * second, 10.0 + 0.9 * second, 0.1 + 0.2 * second), now=10.0 + second)
    assert gauge.text() == "51/100 frames  5.0 fps  0.20x real time  ETA 0:00:10"
    assert gauge.load_text() == "infer 90%  encode 20%"
    assert gauge.busiest() == "busiest: infer 90%"


def test_nothing_is_known_before_the_first_frame() -> None:
    gauge = Gauge()
    gauge.update({}, now=0.0)
    assert gauge.text() == "0 frames  0.0 fps"
    assert (gauge.load_text(), gauge.busiest(), gauge.eta) == ("", "", None)


def test_the_start_counts_nowhere_and_is_no_time_left() -> None:
    gauge = Gauge()
    for second in range(30):
        gauge.update(statuses(0, 0.0, 0.0), now=float(second))
    gauge.update(statuses(1, 0.5, 0.0), now=30.0)
    gauge.update(statuses(3, 0.9, 0.0), now=30.5)
    assert "ETA" not in gauge.text()
    gauge.update(statuses(11, 2.9, 0.0), now=32.5)
    assert gauge.text() == "11/100 frames  4.0 fps  0.16x real time  ETA 0:00:22"


def test_frames_that_all_come_at_once_have_the_mean_of_the_whole_run_as_their_speed() -> None:
    gauge = Gauge()
    for now, frames in ((0.0, 0), (2.0, 100), (2.5, 100)):
        told = {name: replace(each, running=now) for name, each in statuses(frames, 0.0, 0.0).items()}
        gauge.update(told, now=100.0 + now)
        assert gauge.fps == (frames / now if now else 0.0)
    assert gauge.text() == "100/100 frames  40.0 fps  1.60x real time  ETA 0:00:00"
    only = Gauge()
    only.update(told, now=7.0)
    assert (only.fps, only.speed, only.eta) == (40.0, 1.6, 0.0)


def test_at_the_end_nothing_is_left_even_of_a_clip_too_short_for_an_estimate() -> None:
    gauge = Gauge()
    gauge.update(statuses(0, 0.0, 0.0), now=0.0)
    gauge.update(statuses(100, 0.5, 0.0), now=0.5)
    assert (gauge.share, gauge.eta) == (1.0, 0.0)


def test_where_frames_are_a_guess_it_goes_by_time() -> None:
    gauge = Gauge()
    for second in range(1, 6):
        gauge.update(statuses(second, 0.0, 0.0, GUESSED, until=5.0 + 2 * second), now=float(second))
    assert gauge.total is None
    assert gauge.share == pytest.approx(1 / 3)
    assert gauge.text() == "5 frames  0:00:10 of about 0:00:30  1.0 fps  2.00x real time  ETA 0:00:10"
    gauge.update(statuses(6, 0.0, 0.0, GUESSED, until=36.0), now=6.0)
    assert gauge.share is None
    assert "ETA" not in gauge.text()


def test_what_earlier_runs_have_done_counts_but_not_for_the_speed() -> None:
    gauge, source = Gauge(), {**COUNTED, "resumed": 60}
    for second in range(1, 6):
        gauge.update(statuses(2 * second, 0.0, 0.0, source), now=float(second))
    assert gauge.text() == "70/100 frames  2.0 fps  0.08x real time  ETA 0:00:15"


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_busiest_stage_is_seen_on_narrow_terminals(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=columns, force_terminal=True, file=io.StringIO(), record=True)
    monkeypatch.setattr(progress_bars, "Console", lambda **_: console)
    now = 100.0
    monkeypatch.setattr(progress_bars, "time", SimpleNamespace(monotonic=lambda: now))
    shown = ProgressBars([""])
    for second in range(6):
        now = 100.0 + second
        shown(0, statuses(10 * second, 0.1 * second, 0.97 * second))
    console.print(shown._bars.get_renderable())
    words = console.export_text()
    assert "encode 97%" in words
    assert "50/100" in words
    assert "ETA 0:00:05" in words
    assert max(map(len, words.splitlines())) <= columns


def on_a_cluster(frames: int, machines: int) -> dict[str, WorkerStatus]:
    """Return the status of a cluster, whose first machine has made all that was made."""
    nodes = [
        NodeWork(
            node=f"node{number}",
            segments=0 if number else 3,
            running=1,
            frames=0 if number else frames,
            fps=0.0 if number else 12.5,
            share=0.0 if number else 1.0,
            state="gone" if number == 1 else "ready",
        )
        for number in range(machines)
    ]
    status = statuses(frames, 0.0, 0.0)["encode"]
    reports = {**status.reports, CLUSTER: ClusterReport(nodes=tuple(nodes))}
    return {CLUSTER: replace(status, worker=CLUSTER, reports=reports)}


@pytest.mark.parametrize("columns", [60, 140])
def test_each_machine_of_a_cluster_has_a_line(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=columns, force_terminal=True, file=io.StringIO(), record=True)
    monkeypatch.setattr(progress_bars, "Console", lambda **_: console)
    seconds = map(float, range(100, 200))
    monkeypatch.setattr(progress_bars, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    shown = ProgressBars([""])
    for second in range(6):
        shown(0, on_a_cluster(10 * second, 2))
    console.print(shown._bars.get_renderable())
    words = console.export_text()
    assert "node0: 12.5 fps, 3 segments, 100%" in words and "node1: 0.0 fps, 0 segments, 0% (gone)" in words
    assert "50/100" in words and "ETA 0:00:05" in words and "encode" not in words
    assert max(map(len, words.splitlines())) <= columns
    shown(0, on_a_cluster(60, 100))
    console.print(shown._bars.get_renderable())
    words = console.export_text()
    assert words.count("fps, ") == 8 and "and 92 more machines" in words


def test_plain_lines_have_one_for_each_machine_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = map(float, range(100))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    shown = Lines([""])
    for second in range(6):
        shown(0, on_a_cluster(10 * second, 2))
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("50/100 frames") and "ETA 0:00:05" in said[0] and "encode" not in said[0]
    assert said[1:] == ["  node0: 12.5 fps, 3 segments, 100%", "  node1: 0.0 fps, 0 segments, 0% (gone)"]


def test_no_plain_line_comes_before_the_source_is_open(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = map(float, range(66))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    shown, opening = Lines([""]), {"upscale": statuses(0, 0.0, 0.0)["upscale"]}
    for _ in range(60):
        shown(0, opening)
    assert capsys.readouterr().err == ""
    for _ in range(6):
        shown(0, statuses(0, 0.0, 0.0))
    assert capsys.readouterr().err == "0/100 frames  0.0 fps  0.00x real time  [infer 0%  encode 0%]\n"


def test_lines_of_jobs_that_run_side_by_side_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        """A stderr whose writer is held up before the end of a line."""

        def write(self, text: str) -> int:
            written = super().write(text)
            if text.endswith("one"):
                may_go_on.wait(60)
            return written

    may_go_on, shown = threading.Event(), Lines(["a: ", "b: "])
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    first = threading.Thread(target=shown.end, args=(0, ["one"], "done"))
    first.start()
    while "one" not in terminal.getvalue():
        time.sleep(0.01)
    shown.end(1, ["two"], "done")
    may_go_on.set()
    first.join()
    assert terminal.getvalue() == "one\ntwo\n"


def test_plain_lines_get_rarer() -> None:
    assert until_next_line(0) == until_next_line(60) == 5
    assert until_next_line(3600) == 180
    assert until_next_line(100 * 3600) == 600


def test_programs_read_a_line_of_json_for_each_second_and_job(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    now = 10.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    shown = JsonLines(["a.mp4", "b.mkv"], theirs)
    for second in range(5):
        for half in (0.0, 0.5):
            now = 10.0 + second + half
            shown(0, statuses(1 + 2 * second, 0.1, 0.9 * second))
    shown.end(0, [], "done")
    os.close(theirs)
    with os.fdopen(ours) as reader:
        told = [json.loads(line) for line in reader]
    assert [line["event"] for line in told] == ["progress"] * 5 + ["end"]
    assert {(line["job"], line["source"]) for line in told} == {(0, "a.mp4")}
    assert (told[-2]["frames"], told[-2]["frames_total"], told[-2]["busiest"]) == (9, 100, "encode")
    assert told[-2]["share"] == pytest.approx(0.09)
    assert told[0]["eta"] is None
    assert told[-2]["eta"] == pytest.approx(91 / told[-2]["fps"], rel=0.1)
    assert told[-1]["state"] == "done"


def test_a_reader_that_goes_away_stops_nothing() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    shown = JsonLines(["a.mp4"], theirs)
    shown(0, statuses(1, 0.0, 0.0))
    shown.end(0, [], "done")
    os.close(theirs)


@pytest.mark.parametrize("shown", [Lines([""]), Silent(), JsonLines([""], 2)])
def test_a_full_disk_under_stderr_stops_nothing(shown: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", buffering=1) as full:  # noqa: PTH123 - not a file
        monkeypatch.setattr(sys, "stderr", full)
        monkeypatch.setattr(progress, "_LINE_EVERY", 0.0)
        with shown:
            for second in range(3):
                shown(0, statuses(second, 0.1, 0.1))
            shown.end(0, ["done"], "done")
        with suppress(OSError):
            full.close()


@pytest.mark.slow(seconds=3)
def test_a_terminal_that_is_closed_stops_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    source, ours, theirs = make_clip("a.mp4", frames=20), *os.openpty()
    command = [Path(sys.executable).with_name("sr4k-stream"), source, tmp_path / "o.mp4", "--engine", "nearest"]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    # In a session of its own, the kernel doesn't send it SIGHUP for the terminal that is gone.
    with subprocess.Popen(command, **streams, start_new_session=True) as job:
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        assert job.wait(120) == 0
    assert (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize("text", ["xml", "json:", "json:x", "json:-1", "json:977", "json:99999999999999999999"])
def test_what_is_no_way_to_show_progress(text: str) -> None:
    with pytest.raises(OptionError, match="json:N"):
        parse_progress(text)


def test_json_comes_on_the_descriptor_that_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    import typer.testing

    source = make_clip("a.mp4", frames=10)
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    arguments = [str(source), str(tmp_path / "out.mp4"), "--engine", "nearest", "--workers", "threads"]
    result = typer.testing.CliRunner().invoke(stream_app, [*arguments, "--progress", f"json:{theirs}"])
    os.close(theirs)
    with os.fdopen(ours) as reader:
        told = [json.loads(line) for line in reader]
    assert result.exit_code == 0
    assert told[-1] == {"event": "end", "job": 0, "source": "a.mp4", "state": "done", "frames": 10}
