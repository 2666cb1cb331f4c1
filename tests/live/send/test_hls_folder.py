"""HLS folders as viewers see them: real targets, killed and started again, read by a strict reader."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from rig.channel import eventually
from rig.hls import Entry, StrictReader
from rig.processes import children_of, command_of
from sr4k.live.address import parse_target
from sr4k.live.send.flv import FlvSplitter
from sr4k.live.send.hls_folder import HlsFolder
from sr4k.live.send.live_target import LiveTarget
from sr4k.live.settings import HlsForm, Segments

RATE = 10


class Programme:
    """A stream of pictures and sound that is offered as fast as it is encoded, with a key frame every 2 s."""

    def __init__(self, *, size: tuple[int, int] = (64, 48)) -> None:
        self._splitter = FlvSplitter()
        self._target: LiveTarget | None = None
        self._container = av.open(self, "w", format="flv", options={"flush_packets": "1"})
        self._video = self._container.add_stream("libx264", rate=RATE, options={"tune": "zerolatency", "g": "500"})
        self._video.width, self._video.height, self._video.pix_fmt = *size, "yuv420p"
        self._sound = self._container.add_stream("aac", rate=48000)
        self._frame = av.VideoFrame.from_ndarray(np.zeros((size[1] * 3 // 2, size[0]), np.uint8), format="yuv420p")
        self._samples = 0
        self.number = RATE + 3

    def write(self, data: bytes) -> int:
        tags = list(self._splitter.feed(bytes(data)))
        if self._target is not None:
            self._target.offer(self._splitter.header, tags)
        return len(data)

    def play(self, target: LiveTarget, seconds: float, *, keys: tuple[float, ...] = ()) -> None:
        """Offer pictures and sound. ``keys``: seconds from now of key frames besides those due every 2 s."""
        self._target = target
        wanted = {self.number + round(RATE * key) for key in keys} | {self.number}
        for number in range(self.number, self.number + round(RATE * seconds)):
            self._frame.pts = number
            is_key = number % (2 * RATE) == 0 or number in wanted
            self._frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
            self._container.mux(self._video.encode(self._frame))
            self._hear(number)
        self.number += round(RATE * seconds)

    def skip(self, seconds: float) -> None:
        """Advance the clock without pictures or sound."""
        self.number += round(RATE * seconds)
        self._samples = max(self._samples, (self.number - 1) * 48000 // RATE)

    def _hear(self, number: int) -> None:
        while self._samples < (number + 1) * 48000 // RATE:
            if self._samples >= number * 48000 // RATE:
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), "<i2"), format="s16", layout="stereo")
                frame.sample_rate, frame.pts = 48000, self._samples
                self._container.mux(self._sound.encode(frame))
            self._samples += 1024


class Folder:
    """A playlist, its target and its strict reader."""

    def __init__(self, path: Path, kind: Segments) -> None:
        self.path, self._form = path, HlsForm(kind=kind)
        self.reader = StrictReader(path)
        self.programme = Programme()
        self._due = 0
        self.target = self._started()

    def _started(self) -> LiveTarget:
        target = LiveTarget(parse_target(str(self.path)), hls=self._form, wants_key=lambda: None)
        target.start()
        return target

    def play(self, seconds: float, *, keys: tuple[float, ...] = ()) -> None:
        """Offer a stretch of the stream, and wait until all of its complete segments are listed."""
        first, period = self.programme.number, 2 * RATE
        self._due += (first + round(RATE * seconds) - 1) // period - first // period
        self.programme.play(self.target, seconds, keys=keys)
        eventually(self._is_listed, 20, f"{self._due} segments")

    def _is_listed(self) -> bool:
        self.reader.look()
        return len(self.reader.segments) >= self._due

    def kill(self) -> None:
        """Kill the target's process; the target starts another."""
        before = self.target.report().connects
        (process,) = [pid for pid in children_of(os.getpid()) if "sr4k.live.send.push_process" in command_of(pid)]
        os.kill(process, signal.SIGKILL)
        eventually(lambda: self.target.report().state != "live", 10)
        assert self.target.report().connects == before

    def stop(self, *, ended: bool = False) -> None:
        """End the target, which stores the unfinished segment."""
        self.target.close(10, ended=ended)
        self.reader.look()
        self._due = len(self.reader.segments)

    def restart(self) -> None:
        """Start a new target with another stream, as a service does that starts again."""
        self.stop()
        self.programme = Programme(size=(96, 64))
        self.target = self._started()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Callable[[Segments], Folder]]:
    made: list[Folder] = []

    def make(kind: Segments = "ts", name: str = "live.m3u8") -> Folder:
        made.append(Folder(tmp_path / name, kind))
        return made[-1]

    yield make
    for each in made:
        each.target.close(0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_segments_keep_their_numbers_and_lengths_whatever_becomes_of_the_process(folder, kind: Segments) -> None:
    live = folder(kind)
    live.play(9, keys=(2.5, 3.1))
    live.kill()
    live.play(9)
    live.kill()
    live.play(3)
    live.restart()
    live.play(8, keys=(0.9, 7.5))
    live.play(8)
    live.play(8)
    live.stop(ended=True)
    assert live.reader.faults == []
    listed = live.reader.playlist
    assert listed.ended
    assert listed.passed == 3, "discontinuities that are no longer listed"
    assert {entry.seconds for entry in listed.entries[:-1]} == {2.0}
    assert len(live.reader.segments) >= 5 + 4 + 1 + 12


@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_each_segment_can_be_decoded_by_itself_and_together_they_have_every_picture(folder, kind: Segments) -> None:
    live = folder(kind)
    live.play(8, keys=(2.3,))
    live.stop()
    entries = live.reader.playlist.entries
    times = [_decoded(live.path, [entry]) for entry in entries]
    assert [round(len(pictures) / RATE, 1) for pictures in times] == [entry.seconds for entry in entries]
    whole = _decoded(live.path, entries)
    assert len(whole) == 8 * RATE
    assert np.allclose(np.diff(whole), 1 / RATE, atol=0.002)
    assert not live.reader.playlist.ended, "the source did not end: it was stopped"


def _decoded(playlist: Path, entries: Sequence[Entry]) -> list[float]:
    """Decode segments: no packet may be damaged or lost. Return the times of its pictures, in order."""
    whole = playlist.with_name("look")
    names = ([entries[0].init] if entries[0].init else []) + [entry.name for entry in entries]
    whole.write_bytes(b"".join(playlist.with_name(name).read_bytes() for name in names))
    pictures, sound, shift = [], [], None
    with av.open(str(whole)) as container:
        for packet in container.demux():
            assert not packet.is_corrupt
            for frame in packet.decode():
                at = float(frame.pts * frame.time_base)
                shift = at if shift is None else shift
                (pictures if isinstance(frame, av.VideoFrame) else sound).append(at)
    assert sound[0] - pictures[0] == pytest.approx(0, abs=0.11)
    assert sound[-1] - pictures[-1] == pytest.approx(0, abs=0.2)
    return pictures


@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_a_stream_of_one_picture_is_as_long_as_that_picture(folder, kind: Segments) -> None:
    live = folder(kind)
    live.programme.play(live.target, 1 / RATE)
    live.stop(ended=True)
    assert [entry.seconds for entry in live.reader.playlist.entries] == [1 / RATE]


def test_a_stream_that_ends_before_its_target_has_begun_is_stored(folder, monkeypatch: pytest.MonkeyPatch) -> None:
    run = LiveTarget._run

    def later(target: LiveTarget) -> None:
        time.sleep(0.1)
        run(target)

    monkeypatch.setattr(LiveTarget, "_run", later)
    live = folder("ts")
    live.programme.play(live.target, 1 / RATE)
    live.stop(ended=True)
    assert [entry.seconds for entry in live.reader.playlist.entries] == [1 / RATE]


@pytest.mark.slow(seconds=1)
def test_a_gap_in_the_stream_is_no_part_of_a_segment_but_a_discontinuity(folder) -> None:
    live = folder()
    live.play(3)
    live.programme.skip(7)
    live.play(5)
    live.stop()
    assert live.reader.faults == []
    assert [entry.discontinuity for entry in live.reader.playlist.entries] == [k == 3 for k in range(7)]


@pytest.mark.slow
def test_what_left_the_window_is_deleted_though_another_target_wrote_it(folder, tmp_path: Path) -> None:
    live = folder()
    live.play(5)
    live.kill()
    old = [*live.reader.segments]
    recording = tmp_path / "live-2.ts"
    recording.write_bytes(b"a part of a recording of the same name")
    for _ in range(3):
        live.play(8)
    live.stop()
    for path in tmp_path.glob("live-1*.ts"):
        os.utime(path, (0, 0))  # as if all were long ago
    unlisted = live.reader.segments.keys() - {entry.name for entry in live.reader.playlist.entries}
    assert unlisted > set(old)
    live.restart()
    live.play(8)
    left = {path.name for path in tmp_path.glob("*.ts")}
    assert not left & unlisted
    assert recording.name in left


def test_what_left_the_list_stays_as_long_as_it_must_however_old_it_is_and_whoever_comes_next(tmp_path: Path) -> None:
    def written(count: int) -> set[str]:
        """Store segments without ending the playlist, as a killed process leaves it."""
        folder = HlsFolder(tmp_path / "live.m3u8", HlsForm(kind="fmp4"))
        for k in range(count):
            folder.add(b"data", b"init", 2.0, 2.0 * k, discontinuity=False)
        folder.close()
        return names()

    def names() -> set[str]:
        return {path.name for path in tmp_path.glob("live-*")}

    def listed() -> set[str]:
        text = (tmp_path / "live.m3u8").read_text()
        return {name for name in names() if name in text}

    first = written(6)
    assert {name for name in first if "init" in name} < listed()
    for name in first:
        os.utime(tmp_path / name, (0, 0))  # its run began long ago
    assert first < written(7)
    assert not first & listed()
    assert first < written(1), "they left it just now"
    for name in first:
        os.utime(tmp_path / name, (0, 0))
    assert not first & written(1)


@pytest.mark.parametrize("name", ["50%d off.m3u8", "a b#c?é.m3u8", f"{'n' * 240}.m3u8"])
def test_whatever_a_playlist_is_called_its_segments_have_names_that_mean_themselves_in_a_url(
    folder, tmp_path: Path, name: str
) -> None:
    (tmp_path / "50%d off").mkdir()
    live = folder(name=f"50%d off/{name}")
    live.play(4)
    live.stop(ended=True)
    assert live.reader.faults == []
    with av.open(str(live.path)) as container:
        assert len(list(container.decode(video=0))) == 4 * RATE


@pytest.mark.parametrize("left", ["", "\0" * 300, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARG"])
def test_a_playlist_that_a_power_failure_cut_off_is_begun_anew(folder, tmp_path: Path, left: str) -> None:
    (tmp_path / "live.m3u8").write_text(left)
    (tmp_path / "live-4000000000.ts").touch()
    live = folder()
    live.play(4)
    assert live.reader.playlist.first == 4000000001
    assert (tmp_path / ".live.m3u8.part").exists() is False


def test_a_playlist_of_something_else_is_left_alone(folder, tmp_path: Path) -> None:
    theirs = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nholiday.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "live.m3u8").write_text(theirs)
    live = folder()
    live.programme.play(live.target, 4)
    eventually(lambda: "is not a playlist that sr4k-stream wrote" in str(live.target.report().reason), 10)
    assert (tmp_path / "live.m3u8").read_text() == theirs


@pytest.mark.slow(seconds=1)
def test_two_targets_never_write_one_playlist(folder, tmp_path: Path) -> None:
    live = folder()
    live.play(3)
    (tmp_path / "same").symlink_to(tmp_path)
    other = folder(name="same/live.m3u8")
    other.programme.play(other.target, 3)
    eventually(lambda: "Another target" in str(other.target.report().reason), 10)
    live.play(3)
    assert live.reader.faults == []


@pytest.mark.slow
def test_a_folder_that_is_missing_is_made_and_one_that_went_away_is_made_again(folder, tmp_path: Path) -> None:
    live = folder(name="a/b/live.m3u8")
    live.play(3)
    shutil.rmtree(tmp_path / "a")
    live.programme.play(live.target, 4)
    eventually(lambda: live.target.report().state == "waiting", 10)
    live.programme.play(live.target, 5)
    eventually(live.path.exists, 10)


@pytest.mark.slow(seconds=1)
def test_on_a_disk_with_room_for_little_more_than_three_segments_it_goes_on(folder, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=172k", "tmpfs", tmp_path / "small"], check=False).returncode:
        pytest.skip("a small disk can't be mounted without root")
    try:
        live = folder(name="small/live.m3u8")
        for _ in range(3):
            live.play(8)
        live.stop()
        assert live.target.report().connects == 1
        assert live.reader.playlist.seconds >= 6
        assert not [fault for fault in live.reader.faults if "too early" not in fault]
    finally:
        subprocess.run(["umount", "-l", tmp_path / "small"], check=True)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_on_a_full_disk_the_list_stays_whole_the_target_says_so_and_it_goes_on_when_there_is_room(
    folder, tmp_path: Path, kind: Segments
) -> None:
    (tmp_path / "small").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", tmp_path / "small"], check=False).returncode:
        pytest.skip("a small disk can't be mounted without root")
    try:
        live = folder(kind, "small/live.m3u8")
        live.play(5)
        stuffing = live.path.with_name("stuffing")
        with pytest.raises(OSError, match="No space"), stuffing.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        before = sum(live.path.with_name(name).stat().st_size for name in live.reader.segments)
        eventually(lambda: live.target.report().bytes == before, 10)
        live.programme.play(live.target, 4)
        eventually(lambda: live.target.report().reason == "the disk is full", 10)
        assert live.target.report().state != "live"
        assert live.target.report().bytes == before
        live.reader.look()
        assert live.reader.faults == []
        stuffing.unlink()
        live.stop()
        live.restart()
        live.play(5)
        assert live.reader.faults == []
        live.stop()
    finally:
        subprocess.run(["umount", "-l", tmp_path / "small"], check=True)


@pytest.mark.slow
def test_pictures_of_another_size_have_an_init_section_of_their_own(folder) -> None:
    live = folder("fmp4")
    live.play(4)
    live.restart()
    live.play(4)
    live.stop()
    widths = []
    for entry in live.reader.playlist.entries:
        assert entry.init is not None
        whole = live.path.with_name("look")
        whole.write_bytes(b"".join(live.path.with_name(name).read_bytes() for name in (entry.init, entry.name)))
        with av.open(str(whole)) as container:
            widths.append({frame.width for frame in container.decode(video=0)})
    assert widths == [{64}] * 3 + [{96}] * 3
