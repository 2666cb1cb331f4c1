"""``-`` for standard input and output, as a shell connects them: real processes, and ffmpeg on both sides."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
from clips import packet_bytes, video_times, write_clip

from sr4k.cli.stream_app import stream_app

pytestmark = pytest.mark.slow

STREAM = Path(sys.executable).parent / "sr4k-stream"
NEAREST = ("--engine", "nearest", "--workers", "threads")
FRAMES = 25
SIZE = 128 * 96 * 3 // 2

Ended = subprocess.CompletedProcess[bytes]


def stream(*args: object, data: bytes = b"", cwd: Path | None = None) -> Ended:
    command = [STREAM, *map(str, args), *NEAREST]
    return subprocess.run(command, input=data, capture_output=True, timeout=120, check=False, cwd=cwd)


def in_shell(script: str, cwd: Path) -> Ended:
    """Run a script of bash, in which $STREAM is the command."""
    environment = os.environ | {"STREAM": f"{STREAM} {' '.join(NEAREST)}"}
    command = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, cwd=cwd, env=environment)


def pixels(source: Path | str, data: bytes = b"") -> bytes:
    """The pixels of all frames, as ffmpeg reads them."""
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, timeout=60, check=True).stdout


def lines(ended: Ended) -> list[str]:
    return ended.stderr.decode().splitlines()


NOISE = """
import os

def make_noise():
    if "PYTHONSAFEPATH" in os.environ:  # not in the command itself
        os.write(1, b"NOISE\\n")

make_noise()
os.register_at_fork(after_in_child=make_noise)
"""
"""A module that prints in each process."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second with sound, B-frames and a title, of frames that are not shown for equally long."""
    options = {"preset": "ultrafast", "bf": "2", "crf": "10"}
    times = [512 * number + (137 if number > 12 else 0) for number in range(FRAMES)]
    return write_clip(
        tmp_path_factory.mktemp("clip") / "in.mkv", pts=times, options=options, metadata={"title": "Alps"}
    )


@pytest.fixture(scope="module")
def y4m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second at 25 frames a second."""
    folder = tmp_path_factory.mktemp("y4m")
    clip = write_clip(folder / "in.nut", frames=FRAMES, audio=False)
    subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-pix_fmt", "yuv420p", folder / "in.y4m"], check=True)
    return folder / "in.y4m"


def test_ffmpeg_on_both_sides_gets_the_frames_that_a_file_gets(y4m: Path, tmp_path: Path) -> None:
    script = f"ffmpeg -v error -i {y4m} -f yuv4mpegpipe - | $STREAM - - -f yuv4mpegpipe | cat"
    ended = in_shell(script, tmp_path)
    assert ended.returncode == 0, ended.stderr
    head, _, frames = ended.stdout.partition(b"\n")
    assert head.startswith(b"YUV4MPEG2 W128 H96 F25:1 Ip")
    assert len(frames) == FRAMES * (SIZE + len(b"FRAME\n"))
    assert not any(tmp_path.iterdir())
    assert stream(y4m, "out.mkv", "--crf", 0, cwd=tmp_path).returncode == 0
    assert pixels("-", ended.stdout) == pixels(tmp_path / "out.mkv")


def test_times_sound_and_tags_are_those_of_a_file(clip: Path, tmp_path: Path) -> None:
    assert stream(clip, "file.mkv", cwd=tmp_path).returncode == 0
    ended = stream("-", "-", data=clip.read_bytes(), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert lines(ended)[-1].startswith(f"standard output: {FRAMES} frames, 128x96")
    file, through = tmp_path / "file.mkv", tmp_path / "through.mkv"
    through.write_bytes(ended.stdout)
    assert video_times(through) == video_times(file) == video_times(clip)
    assert packet_bytes(through, "audio") == packet_bytes(file, "audio") == packet_bytes(clip, "audio")
    with av.open(str(through)) as found, av.open(str(file)) as same:
        assert found.metadata["title"] == same.metadata["title"] == "Alps"
        assert [(p.stream_index, p.pts) for p in found.demux()] == [(p.stream_index, p.pts) for p in same.demux()]


def test_nothing_but_the_video_is_on_standard_output(clip: Path, tmp_path: Path) -> None:
    """Whatever is printed there in any of the processes, which pass the pipes on."""
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    command = [STREAM, "-", "-", "-f", "mpegts", "--engine", "nearest"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = str(tmp_path)
    ended = subprocess.run(
        command, input=clip.read_bytes(), capture_output=True, timeout=120, check=False, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    assert lines(ended).count("NOISE") >= 4, "from what starts the workers, and from three of them"
    assert {ended.stdout[at] for at in range(0, len(ended.stdout), 188)} == {0x47}  # packets of MPEG-TS
    assert len(pixels("-", ended.stdout)) == FRAMES * SIZE


@pytest.mark.parametrize("form", ["nut", "y4m"])
def test_a_reader_that_leaves_ends_the_job_in_one_line(form: str, y4m: Path, tmp_path: Path) -> None:
    ended = in_shell(f"$STREAM {y4m} - -f {form} | head -c 10", tmp_path)
    assert (ended.returncode, len(ended.stdout)) == (141, 10)
    assert lines(ended) == ["error: Standard output was closed by its reader."]
    assert not any(tmp_path.iterdir())


def test_an_end_in_mid_stream_is_told(y4m: Path, tmp_path: Path) -> None:
    half = y4m.read_bytes()[: y4m.stat().st_size // 2 + 100]
    ended = stream("-", "-", "-f", "y4m", data=half)
    assert ended.returncode == 9
    assert "1 missing frame" in lines(ended)[-1]
    assert ended.stdout.count(b"FRAME\n") == FRAMES // 2
    ended = stream("-", "out.mkv", "--strict", data=half, cwd=tmp_path)
    assert (ended.returncode, len(lines(ended))) == (3, 1)
    assert not any(tmp_path.iterdir())


def test_pipes_of_the_shell_are_read(y4m: Path, tmp_path: Path) -> None:
    ended = in_shell(f"$STREAM <(cat {y4m}) out.nut && cat {y4m} | $STREAM /dev/stdin stdin.nut", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(video_times(tmp_path / "out.nut")) == len(video_times(tmp_path / "stdin.nut")) == FRAMES


@pytest.mark.slow(seconds=12)
def test_a_signal_ends_a_job_whose_reader_takes_nothing(y4m: Path) -> None:
    command = [STREAM, str(y4m), "-", "-f", "y4m", "--scale", "16", *NEAREST]  # more than a pipe holds
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.terminate()
        process.wait(60)
        assert process.returncode == 143
        assert process.stderr.read().decode().endswith("Stopped at once.\n")


def test_a_signal_ends_a_job_whose_input_does_not_come(y4m: Path) -> None:
    command = [STREAM, "-", "-", "-f", "y4m", *NEAREST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(y4m.read_bytes()[: y4m.stat().st_size // 2])
        process.stdin.flush()
        first = process.stdout.read(5 * SIZE)
        process.terminate()
        rest, told = process.stdout.read(), process.stderr.read().decode()
    assert process.returncode == 143
    written = (first + rest).count(b"FRAME\n")
    assert 5 <= written <= FRAMES // 2
    assert f"ended early: standard output: {written} frames" in told
    assert "damaged" not in told
    assert len((first + rest).partition(b"\n")[2]) == written * (SIZE + len(b"FRAME\n"))


REFUSED: list[tuple[Sequence[str], str]] = [
    (("in.mkv", "-", "-f", "mp4"), "mp4 can't be written to a pipe"),
    (("in.mkv", "-", "-f", "avi"), "'avi' isn't a format for a pipe"),
    (("in.mkv", "out.mkv", "-f", "nut"), "-f is for standard output"),
    (("in.mkv", "-", "--resume"), "leave --resume out"),
    (("-", "out.mkv", "--resume"), "leave --resume out"),
    (("in.mkv", "-", "--overwrite"), "leave --overwrite out"),
    (("in.mkv", "-", "--compare", "c.mkv"), "--compare"),
    (("-", "out.mkv", "--dry-run"), "--dry-run"),
    (("/dev/stdin", "out.mkv", "--compare", "c.mkv"), "--compare"),
    (("in.mkv", "-", "--json"), "use --progress json"),
    (("in.mkv", "-", "-f", "y4m", "--crf", "20"), "Raw video has no --codec"),
    (("in.mkv", "-", "-f", "y4m", "--preset", "fast"), "Raw video has no --codec"),
    (("in.mkv", "-", "-f", "nut", "--rate", "25"), "A rate is for raw video and for image sequences"),
    (("in.mkv", "-", "-f", "webm", "--codec", "h264"), "webm files can't hold h264"),
    (("in.mkv", "-", "--progress", "json:1"), "--progress json:1 would print to standard output"),
    (("in.mkv", "-", "-f", ""), "'' isn't a format for a pipe"),
    (("a.mkv", "b.mkv", "-"), "A pipe holds one video"),
    (("/", "-"), "/ is a folder: name one of its videos"),
    (("", "folder/"), "A path can't be empty"),
    (("in.mkv", ""), "A path can't be empty"),
    (("/dev/stdin", "b.mkv", "folder/"), "A pipe holds one video"),
    (("-", "folder/"), "has no name to give a file"),
    (("-", "rtmp://127.0.0.1/app/key"), "not for a live stream"),
    (("rtmp://127.0.0.1/app/key", "-"), "not for a live stream"),
]


def test_what_pipes_can_not_do_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    for args, words in REFUSED:
        with pytest.raises(SystemExit) as ended:
            stream_app(args)
        told = capsys.readouterr()
        assert (ended.value.code, told.out) == (2, ""), args
        assert words in told.err, args
        assert told.err.count("\n") == 1, args


@pytest.mark.parametrize(
    ("args", "how", "code", "words"),
    [
        ("- out.mkv", "<&-", 3, "Standard input is closed"),
        ("- out.mkv", "</dev/null", 3, "standard input is empty"),
        ("- out.mkv", "<terminal", 3, "standard input is a terminal"),
        ("{y4m} -", ">&-", 4, "Standard output is closed"),
        ("{y4m} -", ">terminal", 4, "standard output is a terminal"),
        ("{y4m} - -q", ">/dev/full", 4, "The disk of standard output is full"),
        ("<(cat {y4m}) folder/", "", 2, "A pipe has no name to give a file in folder/"),
        ("{y4m} >(cat) -f nut", "", 2, "isn't a regular file, but a pipe or a device: choose another name, or - > /"),
    ],
)
def test_ends_that_lead_nowhere_are_named(
    args: str, how: str, code: int, words: str, y4m: Path, tmp_path: Path
) -> None:
    leader, terminal = os.openpty()
    (tmp_path / "terminal").symlink_to(os.ttyname(terminal))
    ended = in_shell(f"$STREAM {args.format(y4m=y4m)} {how}", tmp_path)
    for end in (leader, terminal):
        os.close(end)
    assert (ended.returncode, len(lines(ended))) == (code, 1)
    assert words in lines(ended)[0]
    assert [path.name for path in tmp_path.iterdir()] == ["terminal"]
