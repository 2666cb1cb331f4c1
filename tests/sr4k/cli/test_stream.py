"""The command line as a user meets it: real processes, real signals."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from clips import MakeClip, packet_bytes, video_times, write_clip
from holding import held
from typer.testing import CliRunner

from rig.channel import eventually
from rig.fair_time import Stopwatch
from rig.processes import below, command_of, is_alive
from rig.shared_memory import left_behind, names
from sr4k.cli.stream_app import stream_app
from sr4k.media.resume.job_folder import folder_of

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
NEAREST = ("--engine", "nearest", "--preset", "ultrafast")
LONG = 400
"""Frames of a clip that takes half a minute, as `slowed` has it."""


def slowed() -> dict[str, str]:
    return held(after=30, seconds=0.08)


def run(*args: object, command: str = "sr4k-stream") -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / command, *map(str, args)], capture_output=True, text=True, timeout=240, check=False)


class Running:
    """A job of half a minute and more in the background, with three workers at work."""

    def __init__(self, source: Path, target: Path) -> None:
        self.target = target
        self.process = subprocess.Popen(
            [BIN / "sr4k-stream", source, target, *NEAREST, "-e", "threads=1", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=slowed(),
        )
        eventually(self._frames_flow, 60, "the job has started")
        self.everyone = set(below(self.process.pid))

    def workers(self) -> list[int]:
        """Decode, upscale and encode, in this order."""
        return sorted(
            pid for pid in below(self.process.pid) if command_of(pid) in ("sr4k-decode", "sr4k-upscale", "sr4k-encode")
        )

    def end(self) -> tuple[int, str, str, float]:
        """Exit code, stdout, stderr, and the seconds it took."""
        watch = Stopwatch()
        out, err = self.process.communicate(timeout=240)
        return self.process.returncode, out, err, watch.fair

    def _frames_flow(self) -> bool:
        parts = list(folder_of(self.target).glob("*.packets"))
        return len(self.workers()) == 3 and bool(parts) and parts[0].stat().st_size > 20_000


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "long.mkv", frames=LONG, size=(160, 120))


@pytest.fixture
def job(long_clip: Path, tmp_path: Path) -> Iterator[Running]:
    shared = names()
    source = tmp_path / "long.mkv"
    source.symlink_to(long_clip)
    running = Running(source, tmp_path / "out.mkv")
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()
    for pipe in (running.process.stdout, running.process.stderr):
        assert pipe is not None
        pipe.close()
    eventually(lambda: not any(map(is_alive, running.everyone)), 5, "no orphans")
    assert not left_behind(shared)


@pytest.mark.parametrize(("index", "name"), [(0, "decode"), (1, "upscale"), (2, "encode")])
def test_a_killed_worker_ends_the_command_within_five_seconds(job: Running, index: int, name: str) -> None:
    os.kill(job.workers()[index], signal.SIGKILL)
    code, _, err, seconds = job.end()
    assert code == 6
    assert seconds < 5
    assert re.search(rf"error: Stopped: the {name} process \(stages: .*\) was killed by SIGKILL", err)
    assert "Traceback" not in err
    assert sorted(p.name for p in job.target.parent.iterdir()) == ["long.mkv"]


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_drains_and_leaves_a_playable_file(job: Running, number: int, expected: int) -> None:
    os.killpg(job.process.pid, number)
    code, out, err, _ = job.end()
    summary = json.loads(out)
    assert code == expected, err
    assert summary["stopped"]
    assert 0 < summary["frames"] < LONG
    assert not job.target.exists()
    left = Path(summary["output"])
    assert left == job.target.with_stem(f"{job.target.stem}.partial")
    times = video_times(left)
    assert len(times) == summary["frames"]
    sound = packet_bytes(left, "audio")
    assert abs(float(sound[-1][0] - times[-1])) < 0.2, "sound must end with the picture"


def test_a_second_signal_stops_at_once_and_leaves_nothing(job: Running) -> None:
    job.process.send_signal(signal.SIGSTOP)  # so that both arrive together
    for number in (signal.SIGINT, signal.SIGTERM):
        job.process.send_signal(number)
    job.process.send_signal(signal.SIGCONT)
    code, _, err, seconds = job.end()
    assert code in (130, 143)  # of those that come together either may be seen first
    assert seconds < 5
    assert err == "Stopped at once. Nothing was written.\n"
    assert sorted(p.name for p in job.target.parent.iterdir()) == ["long.mkv"]


def test_workers_do_not_outlive_a_killed_supervisor(job: Running) -> None:
    job.process.kill()
    job.process.wait()  # the fixture looks for orphans


def test_a_sample_upscales_without_configuration(tmp_path: Path) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    made = run("sample", clip, "--seconds", "0.4", "--size", "128x72", command="sr4k")
    assert made.returncode == 0, made.stderr
    done = run(clip, out)
    assert done.returncode == 0, done.stderr
    assert "10 frames, 256x144" in done.stderr
    assert re.search(r"\((tensorrt|cuda|openvino) luma ", done.stderr)
    assert video_times(out) == video_times(clip)
    assert packet_bytes(out, "audio") == packet_bytes(clip, "audio")


def test_json_tells_all_and_only_that(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip(), tmp_path / "out.mp4", *NEAREST, "--json")
    summary = json.loads(done.stdout)
    assert done.stderr == ""
    assert summary["frames"] == 10
    latency = summary["video"].pop("latency")
    assert 0 < latency["median"] <= latency["p95"]
    assert summary["video"].pop("until") == 0.4
    assert summary["video"] == {"codec": "libx264", "width": 128, "height": 96, "container": "mp4", "converted": []}
    assert set(summary["stages"]) == {"decode", "preprocess", "infer", "reconstruct", "convert", "encode"}
    assert all(stage["frames"] == 10 for stage in summary["stages"].values())
    assert not summary["damaged"]


def test_quiet_says_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip(), tmp_path / "out.mp4", *NEAREST, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_warnings_of_workers_reach_the_terminal(make_clip: MakeClip, tmp_path: Path) -> None:
    done = run(make_clip("in.mkv", attachment=b"x"), tmp_path / "out.mp4", *NEAREST, "--quiet")
    assert done.returncode == 0
    assert "attachment" in done.stderr
    assert "can't be carried by mp4; left out" in done.stderr


def test_progress_without_a_terminal_is_plain_lines(long_clip: Path, tmp_path: Path) -> None:
    command = [BIN / "sr4k-stream", long_clip, tmp_path / "out.mp4", *NEAREST]
    shape = (
        r"\d+ frames  0:00:\d\d of about 0:00:16  [\d.]+ fps  [\d.]+x real time(  ETA \d+:\d\d:\d\d)?"
        r"(  \[[a-z]+ \d+%.*\])?\n"
    )
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=slowed()) as process:
        assert process.stderr is not None
        lines = []
        while "infer" not in "".join(lines):  # the network may start later than the decoder
            lines.append(process.stderr.readline())
            assert re.fullmatch(shape, lines[-1]), lines
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert re.search(r"  \[.*infer \d+%.*\]\n", lines[-1])
    assert "\x1b" not in "".join(lines) + rest


def test_on_a_terminal_results_stand_on_lines_of_their_own(make_clip: MakeClip, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    clip = make_clip("a.mp4", frames=60, size=(160, 120))
    command = [BIN / "sr4k-stream", clip, tmp_path / "out.mp4", *NEAREST]
    with subprocess.Popen(command, stderr=theirs, env={**held(seconds=0.03), "TERM": "xterm"}) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # that is how its end reads
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    assert process.returncode == 0
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", shown.decode())
    assert "fps" in plain.partition("out.mp4: ")[0], "the bar came first"
    assert re.search(rf"[\r\n]{re.escape(str(tmp_path / 'out.mp4'))}: 60 frames, [^\n]+\n", plain), plain


def test_a_damaged_source_has_an_exit_code_of_its_own(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("in.mkv", frames=120, size=(160, 120))
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    done = run(clip, tmp_path / "out.mkv", *NEAREST, "--quiet")
    assert done.returncode == 9
    assert re.search(r"warning: the source is damaged: \d+ missing frames, .*the file ends at", done.stderr)
    assert len(video_times(tmp_path / "out.mkv")) > 50


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("in.mkv", frames=100, size=(160, 120))
    command = [BIN / "sr4k-stream", source, tmp_path / "out.mkv", *NEAREST, "--crf", "0", "--quiet"]
    limit = 1_000_000  # bytes: writing beyond fails as on a full disk
    limited = ["prlimit", f"--fsize={limit}", *map(str, command)]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 4, done.stderr
    assert "writing failed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mkv"]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nope.mp4", "out.mp4"], 3, "nope.mp4 does not exist"),
        (["in.mp4", "out.mp4", "--size", "huge"], 2, "'huge' isn't a size"),
        (["in.mp4", "out.mp4", "--size", "3841x2160"], 2, "must be even"),
        (["in.mp4", "out.mp4", "--crf", "99"], 2, "--crf can't be 99: it must be at most 63"),
        (["in.mp4", "out.mp4", "--codec", "h265"], 2, "--codec can't be h265: use auto, h264, hevc or av1."),
        (["in.mp4", "out.xyz"], 2, "'.xyz' isn't a container that can be written: use .mp4, .m4v, .mov, .mkv, "),
        (["in.mp4", "out.mp4", "--bitrate", "fast"], 2, "'fast' isn't a bit rate: use bits per second"),
        (["in.mp4", "out.mp4", "-e", "tune"], 2, "is not of the form KEY=VALUE"),
        (
            ["in.mp4", "out.mp4", "--metrics", ":9108"],
            2,
            "--metrics, --log-format, --slate, --segments and --no-sound are for live streams",
        ),
        (
            ["in.mp4", "out.mp4", "--fit", "pad"],
            2,
            "--fit says how frames fit into a --size: add a --size, such as 4k.",
        ),
        (
            ["in.mp4", "out.mp4", "--fit", "pad", "--scale", "3"],
            2,
            "--fit says how frames fit into a --size: add a --size, such as 4k.",
        ),
        (["in.mp4", "out.mp4", "--size", "4k", "--scale", "3"], 2, "--size and --scale both say how large"),
        (["in.mp4", "out.mp4", "--size", "x2", "--scale", "2"], 2, "--size and --scale both say how large"),
        (["in.mp4", "-", "-f", "y4m", "--size", "101x67"], 2, "'101x67' isn't supported: both sides must be even"),
        (["in.mp4", "out.mp4", "--scale", "1080"], 2, "use a factor from 0.125 to 16, or a size such as 1080p"),
        (["in.mp4", "out.mp4", "--scale", "-2"], 2, "can't be '-2': use a factor, such as 2 or 1.5, or a size"),
        (["in.mp4", "out.mp4", "--crf", "20", "--bitrate", "20M"], 2, "leave --crf or --bitrate out"),
        (["in.mp4", "out.mp4", "--codec", "h264", "--crf", "60"], 2, "a crf from 0 (best) to 51 (smallest), not 60"),
        (["in.mp4", "out.mp4", "--codec", "av1", "--preset", "veryfast"], 2, "0 (slowest) to 13 (fastest), not 'veryf"),
        (["in.mp4", "out.mp4", "--preset", "veryfst"], 2, "ultrafast, superfast, veryfast, faster, fast, medium"),
        (["in.mp4", "out.mp4", "-c", "in.mp4"], 2, "is not a preset: it isn't text in UTF-8"),
        (["in.mp4", "out.mp4", "--weights", "nowhere"], 2, "nowhere does not exist"),
        (["in.mp4", "out.mp4", "-c", "nope"], 2, "no preset 'nope'"),
        (["in.mp4", "out.mp4", "--engine", "vulkan"], 2, "no engine 'vulkan'"),
        (["in.mp4", "out.mp4", "--engine", "openvin"], 2, "use auto, cuda, openvino, tensorrt or torch."),
        (
            ["in.mp4", "out.mp4", "--lanes", "0"],
            2,
            "--lanes can't be 0: it must be at least 1, or auto",
        ),
        (["pattern://64x48@10", "out.mp4", "--crf", "20"], 2, "with --crf 20: use --bitrate, such as 20M."),
        (["in.mp4", "in.mp4", "out.mp4"], 4, "isn't a folder: several videos need one"),
    ],
)
def test_bad_input_gets_one_line(args: list[str], code: int, words: str, make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("in.mp4", frames=2)
    args = [str(tmp_path / a) if a.endswith((".mp4", ".xyz")) else a for a in args]
    done = CliRunner().invoke(stream_app, args)
    assert done.exit_code == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4"]


def test_several_videos_share_the_machine_and_not_their_fate(make_clip: MakeClip, tmp_path: Path) -> None:
    good, bad, other = make_clip("a.mp4", frames=5), tmp_path / "bad.mp4", make_clip("b.mkv", frames=7)
    bad.write_bytes(b"no video")
    folder = tmp_path / "is" / "made"
    done = run(good, bad, other, folder, *NEAREST, "--json", "--at-once", "3")
    assert done.returncode == 3
    assert re.fullmatch(r"error: bad\.mp4: .+\n2 of 3 done; 1 failed: bad\.mp4\.\n", done.stderr), done.stderr
    first, second, third = json.loads(done.stdout)
    assert (first["frames"], third["frames"]) == (5, 7)
    assert [each["input"] for each in (first, second, third)] == [str(good), str(bad), str(other)]
    assert "bad.mp4" in second["error"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4", "b.mkv"]


def test_a_signal_to_several_ends_what_runs_and_begins_no_more(long_clip: Path, tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for source in sources:
        source.symlink_to(long_clip)
    folder = tmp_path / "out"
    folder.mkdir()
    command = [BIN / "sr4k-stream", *sources, folder, *NEAREST, "--at-once", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=slowed()) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("a.mp4: "), "progress names the video"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "b.mp4: stopped before it started" in rest
    assert rest.endswith("0 of 2 done; 1 ended early: a.mp4; 1 not started: b.mp4.\n")
    assert sorted(path.name for path in folder.iterdir()) == [".a.mp4.parts", "a.partial.mp4"]


def test_a_process_ends_with_one_line_and_only_verbose_shows_the_traceback(tmp_path: Path) -> None:
    missing, target = tmp_path / "nope.mp4", tmp_path / "out.mp4"
    done = run(missing, target)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"error: {missing} does not exist.\n")
    assert "Traceback" in run(missing, target, "--verbose").stderr


def test_missing_torch_names_the_extra(make_clip: MakeClip, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('not here')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [BIN / "sr4k-stream", make_clip(frames=2), tmp_path / "out.mp4", "--engine", "torch"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode == 5
    assert "pip install 'sr4k-stream[torch]'" in done.stderr


def test_help_lists_the_tools() -> None:
    text = run("--help", command="sr4k").stdout
    for tool in ("stream", "sample", "doctor", "train", "quantize", "eval", "compare", "models"):
        assert tool in text
    assert run("stream", "--help", command="sr4k").returncode == 0


def test_a_look_before_the_leap(make_clip: MakeClip, tmp_path: Path) -> None:
    clip, out = make_clip("a.mp4", frames=50), tmp_path / "out.mp4"
    told = run(clip, out, *NEAREST, "--dry-run")
    assert (told.returncode, out.exists()) == (0, False)
    assert "50 frames" in told.stdout
    beside = [tmp_path / "both.mkv", tmp_path / "sheet.png"]
    compare = [part for path in beside for part in ("--compare", path)]
    done = run(clip, out, *NEAREST, "--preview", "0.4s@1", *compare, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == len(video_times(out)) == len(video_times(beside[0])) == 10
    assert all(path.stat().st_size for path in beside)
    again = run(clip, tmp_path / "b.mp4", *NEAREST, *compare)
    assert (again.returncode, "exists" in again.stderr, (tmp_path / "b.mp4").exists()) == (4, True, False)
