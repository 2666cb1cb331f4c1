import socket

import pytest
from clips import MakeClip
from typer.testing import CliRunner

from sr4k.cli.live import _summary_line
from sr4k.cli.stream_app import stream_app
from sr4k.jobs.summary import LiveSummary
from sr4k.live.channel_reports import IntakeReport, PlayoutReport, TargetReport


@pytest.mark.slow
def test_a_stream_that_reached_no_target_is_no_success(make_clip: MakeClip, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        target = f"rtmp://127.0.0.1:{unused.getsockname()[1]}/app/topsecret"
        source = make_clip("a.mp4", frames=10)
        with pytest.raises(SystemExit) as ended:
            stream_app([str(source), target, "--realtime", "--engine", "nearest"])
    told = capsys.readouterr().err
    assert ended.value.code == 4
    assert "was never reached: " in told
    assert "topsecret" not in told


def ended(*targets: TargetReport) -> str:
    """The last line of a stream that had these targets."""
    playout = PlayoutReport(frames=51, targets=targets)
    intake = IntakeReport(frames=52, connects=1)
    return _summary_line(LiveSummary(seconds=7.1, engine=None, restarts=0, intake=intake, playout=playout))


def test_frames_that_reached_no_target_are_not_called_sent() -> None:
    reached = TargetReport(target="rtmp://a/b", state="live", connects=1)
    refused = TargetReport(target="whip://127.0.0.1:9/***", state="waiting", reason="the connection was refused")
    assert ended(reached) == "51 frames sent in 7 s, 0 of them repeated; 52 received, 0 dropped; 1 connections"
    assert ended(reached, refused).startswith("51 frames sent in 7 s")
    assert ended(reached, refused).endswith("; never reached: whip://127.0.0.1:9/*** (the connection was refused)")
    said = ended(refused)
    assert said.startswith("51 frames encoded in 7 s") and "sent" not in said
    assert said.endswith(
        "; none of them arrived, for nothing was reached: whip://127.0.0.1:9/*** (the connection was refused)"
    )
    assert ended(TargetReport(target="out.mkv")).endswith("nothing was reached: out.mkv (not ready before the end)")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--strict"], "error: --strict is for files, not for a live stream: leave it out."),
        (
            ["--strict", "--at-once", "2", "--overwrite"],
            "error: --at-once, --strict and --overwrite are for files, not for a live stream: leave them out.",
        ),
        (["--recursive"], "error: --recursive is for folders of videos: leave it out."),
        (["--map", "1"], "error: --map is for files: leave it out. A live stream's first video is used,"),
    ],
)
def test_the_options_that_a_live_stream_does_not_have_are_named(given: list[str], said: str) -> None:
    done = CliRunner().invoke(stream_app, ["rtmp://127.0.0.1/a/b", "rtmp://127.0.0.1/c/d", *given])
    assert done.exit_code == 2
    assert done.stderr.startswith(said)
