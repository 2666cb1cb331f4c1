"""Jobs whose source or target is a pipe, from Python: they write what a job on files writes."""

import io
import threading
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import packet_bytes, video_times, write_clip
from joined import joined, moved
from piping import fed

from rig.channel import eventually
from sr4k import FieldError, Job, OptionError, OutputError, load_preset
from sr4k.jobs.pipes import DASH, is_pipe

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
FRAMES = 25


def job(source: Path, target: Path | str, **fields: object) -> Job:
    return Job(source, target, preset=PRESET, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = {"preset": "ultrafast", "bf": "2", "g": "12"}
    return write_clip(tmp_path_factory.mktemp("clip") / "in.ts", frames=FRAMES, options=options)


@pytest.mark.parametrize("fields", [{}, {"part": "0.4s@0.2"}, {"deinterlace": "double"}], ids=str)
def test_a_file_is_that_of_a_job_on_files_and_has_no_segments(
    fields: dict[str, object], clip: Path, tmp_path: Path
) -> None:
    same, target = tmp_path / "same.mp4", tmp_path / "out" / "out.mp4"
    wanted = job(clip, same, **fields).run()
    with fed(tmp_path / "in", clip.read_bytes()) as fifo:
        found = job(fifo, target, **fields).run()
    assert (found.frames, found.output) == (wanted.frames, str(target))
    assert video_times(target) == video_times(same)
    assert packet_bytes(target, "audio") == packet_bytes(same, "audio")
    assert [path.name for path in target.parent.iterdir()] == ["out.mp4"]


def test_a_stop_keeps_what_was_done_beside_the_target(clip: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    with fed(tmp_path / "in", clip.read_bytes()[:-2000], is_ended=False) as fifo:
        done = job(fifo, tmp_path / "out.mkv").run(
            on_progress=lambda progress: seen.append(progress.frames), stop_requests=lambda: int(any(seen))
        )
    assert (done.stopped, done.goes_on, done.damaged) == (True, False, False)
    assert done.output == str(tmp_path / "out.partial.mkv")
    assert 0 < done.frames == len(video_times(tmp_path / "out.partial.mkv"))
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out.partial.mkv"}


@pytest.mark.slow(seconds=1)
def test_clocks_that_jump_are_joined_alike_for_decoder_and_muxer(clip: Path, tmp_path: Path) -> None:
    source = joined(tmp_path / "in.ts", *(moved(tmp_path / f"{at}.ts", clip, at) for at in (5000, 0, 40_000)))
    same, target = tmp_path / "same.mkv", tmp_path / "out.mkv"
    wanted = job(source, same).run()
    with fed(tmp_path / "in", source.read_bytes()) as fifo:
        found = job(fifo, target).run()
    assert found.source.joins == wanted.source.joins
    assert len(found.source.joins) == 2
    assert video_times(target) == video_times(same)
    assert packet_bytes(target, "audio") == packet_bytes(same, "audio")


@pytest.mark.slow(seconds=1)
def test_sound_that_comes_late_in_the_file_is_not_waited_for(tmp_path: Path) -> None:
    """The muxer must not wait for packets that the decoder has yet to read: it would have to wait for the muxer."""
    clip, late = write_clip(tmp_path / "in.mkv", frames=200), tmp_path / "late.nut"
    with av.open(str(clip)) as source, av.open(str(late), "w", options={"max_interleave_delta": "1"}) as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        packets.sort(key=lambda packet: packet.stream.type == "audio" and (packet.pts or 0) > 500)
        for packet in packets:
            packet.stream = copies[packet.stream.index]
            target.mux_one(packet)
    with fed(tmp_path / "in", late.read_bytes(), pause=0.005) as fifo:
        assert job(fifo, tmp_path / "out.mkv").run().frames == 200
    assert len(packet_bytes(tmp_path / "out.mkv", "audio")) == len(packet_bytes(clip, "audio"))


@pytest.mark.slow(seconds=1)
def test_standard_output_gets_what_a_file_gets(
    clip: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    done = job(clip, "-", format="nut", size="320x240").run()
    video = capfdbinary.readouterr().out
    assert (done.output, done.video.container, done.video.width) == ("standard output", "nut", 320)
    job(clip, tmp_path / "same.nut", size="320x240").run()
    (tmp_path / "out.nut").write_bytes(video)
    assert video_times(tmp_path / "out.nut") == video_times(tmp_path / "same.nut")
    assert packet_bytes(tmp_path / "out.nut", "audio") == packet_bytes(tmp_path / "same.nut", "audio")


def test_a_variable_rate_is_made_constant_only_if_asked_for(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    times = [512 * number + (137 if number > 12 else 0) for number in range(FRAMES)]
    clip = write_clip(tmp_path / "in.mkv", pts=times)
    with pytest.raises(OutputError, match=r"in\.mkv has a variable frame rate.* Add rate"):
        job(clip, "-", format="yuv4mpegpipe").run()
    capfdbinary.readouterr()
    done = job(clip, "-", format="rawvideo", rate=Fraction(50)).run()
    assert len(capfdbinary.readouterr().out) == done.frames * 128 * 96 * 3 // 2
    assert done.frames in (50, 51)
    assert f"{done.frames - FRAMES} frames were repeated and 0 dropped for 50 frames a second." in caplog.messages
    assert "stream 1 (audio, aac, fra) can't be carried by rawvideo" in done.left_out


@pytest.mark.slow(seconds=1)
def test_a_job_that_failed_reads_its_pipe_no_longer(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    times = [*range(0, 40 * 512, 512), 40 * 512 + 300, 42 * 512, 43 * 512]
    clip = write_clip(tmp_path / "in.nut", pts=times, audio=False, codec="rawvideo")
    with fed(tmp_path / "in", clip.read_bytes(), is_ended=False) as fifo:
        with pytest.raises(OutputError, match="variable frame rate"):
            job(fifo, "-", format="y4m").run()
        eventually(lambda: not any("decode" in thread.name for thread in threading.enumerate()), 5, "it has ended")
    capfdbinary.readouterr()


def test_pictures_are_made_of_a_pipe(clip: Path, tmp_path: Path) -> None:
    with fed(tmp_path / "in", clip.read_bytes()) as fifo:
        assert job(fifo, tmp_path / "out" / "%02d.png").run().frames == FRAMES
    assert len(list((tmp_path / "out").iterdir())) == FRAMES


def test_a_file_that_is_called_a_dash_is_no_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (Job("-", "out.mkv").source, Job("in.mkv", "-").target) == (DASH, DASH)
    assert (Job("/dev/stdin", "out.mkv").source, Job("in.mkv", "/dev/stdout").target) == (DASH, DASH)
    assert Job("./-", "out.mkv").source == tmp_path / "-"
    assert not is_pipe(tmp_path / "-")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"format": "mp4"}, OptionError, "mp4 can't be written to a pipe"),
        ({"overwrite": True}, FieldError, "leave overwrite out"),
        ({"resume": True}, FieldError, "leave resume out"),
        ({"rate": Fraction(25)}, FieldError, "leave rate out"),
        ({"format": "y4m", "speed": "fast"}, FieldError, "Raw video has no codec"),
        ({"format": "y4m", "options": {"tune": "film"}}, FieldError, "Raw video has no codec"),
    ],
)
def test_fields_that_pipes_can_not_have_are_refused(fields: dict[str, object], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        job(Path("in.mkv"), "-", **fields)


@pytest.mark.slow(seconds=1)
def test_the_format_of_standard_output_is_read_forwards(clip: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with av.open(str(clip)) as source:
        _, samples = decoded(source)
    for form in ("matroska", "mpegts", "flv"):
        job(clip, "-", format=form).run()
        with av.open(_Forwards(capfdbinary.readouterr().out)) as found:
            assert decoded(found) == (FRAMES, samples), form


def decoded(container: av.container.InputContainer) -> tuple[int, int]:
    """Numbers of pictures and of samples of sound."""
    frames = list(container.decode())
    samples = sum(frame.samples for frame in frames if isinstance(frame, av.AudioFrame))
    return sum(isinstance(frame, av.VideoFrame) for frame in frames), samples


class _Forwards:
    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read
