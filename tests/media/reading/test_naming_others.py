"""Files that name others: the command reads them, the service and slates don't."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import write_clip
from infos import video_info
from queues import FAST, Place

from sr4k.errors import InputError, OptionError
from sr4k.live.send.slate import load_slate
from sr4k.media.reading.open_file import open_input
from sr4k.probing import probe
from sr4k.queue.errand import in_child
from sr4k.queue.planning import probe_of

WORDS = "names other files, as playlists do, which is not allowed here"
_SEGMENT = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
_SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 45678 RTP/AVP 33\n"

LISTS = {
    "up.m3u8": _SEGMENT.format("../outside/x.ts"),
    "link.m3u8": _SEGMENT.format("link.ts"),
    "evil.mkv": "ffconcat version 1.0\nfile 'link.ts'\n",
}
SESSIONS = {"evil.mp4": _SESSION, "evil.idx": "# VobSub index file, v7\n"}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with files that name a clip outside, in part by a link."""
    outside, found = tmp_path / "outside", tmp_path / "library"
    outside.mkdir()
    found.mkdir()
    write_clip(outside / "x.ts", audio=False, frames=5)
    (found / "link.ts").symlink_to(outside / "x.ts")
    for name, text in (LISTS | SESSIONS).items():
        (found / name).write_text(text)
    (found / "whole.m3u8").write_text(_SEGMENT.format((outside / "x.ts").as_uri()))
    return found


@pytest.mark.parametrize("name", [*LISTS, "whole.m3u8"])
def test_the_command_reads_lists(library: Path, name: str) -> None:
    assert probe(library / name).container in ("hls", "concat")


@pytest.mark.parametrize(
    "listed", ["/etc/passwd", "../clip.ts", "a clip.ts", ".clip.ts", "sub/.clip.ts", "http://127.0.0.1:1/clip.ts"]
)
def test_a_script_that_names_files_otherwise_than_beside_it_is_refused_with_the_reason(
    listed: str, tmp_path: Path
) -> None:
    write_clip(tmp_path / "clip.ts", audio=False, frames=2)
    script = tmp_path / "list.ffconcat"
    script.write_text(f"ffconcat version 1.0\nfile clip.ts\nfile '{listed}'\n")
    with pytest.raises(
        InputError, match=r"list\.ffconcat lists a file whose name is refused: .* relative to its folder"
    ):
        probe(script)
    script.write_text("ffconcat version 1.0\nfile clip.ts\nfile 'clip.ts'\n")
    assert probe(script).container == "concat"


@pytest.mark.parametrize(
    ("name", "text"),
    [("list.ffconcat", "ffconcat version 1.0\nfile none.ts\n"), ("a.m3u8", _SEGMENT.format("none.ts"))],
)
def test_a_list_of_files_that_can_not_be_read_is_called_one(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"{name} is a list of files, and the first of them can't be read, or the li"):
        probe(tmp_path / name)


@pytest.mark.parametrize("name", [*LISTS, *SESSIONS, "whole.m3u8"])
def test_what_has_to_be_alone_names_no_others(library: Path, name: str) -> None:
    with pytest.raises(InputError, match=WORDS):
        open_input(library / name, alone=True)


@pytest.mark.slow
def test_the_service_looks_into_no_lists_and_still_into_videos_and_sequences(library: Path) -> None:
    for name in ("up.m3u8", "evil.mkv"):
        with pytest.raises(InputError, match=WORDS):
            in_child(probe_of, str(library / name), seconds=60)
    write_clip(library / "own.mkv", audio=False, frames=2)
    for number in range(2):
        cv2.imwrite(str(library / f"{number:03d}.png"), np.zeros((16, 16, 3), np.uint8))
    for name in ("own.mkv", "%03d.png"):
        assert in_child(probe_of, str(library / name), seconds=60)["video"]


@pytest.mark.slow
def test_no_job_of_the_queue_reads_a_list(library: Path) -> None:
    place = Place(library)
    job = place.queue.add(library / "evil.mkv", library / "out.mkv", FAST)
    with place.runner():
        place.until(job.id, "failed", "done")
    found = place.queue.get(job.id)
    assert (found.state, WORDS in str(found)) == ("failed", True)
    assert not (library / "out.mkv").exists()


def test_no_slate_is_a_list(library: Path) -> None:
    with pytest.raises(OptionError, match="can't be read as a picture") as refusal:
        load_slate(library / "link.m3u8", video_info())
    assert WORDS in str(refusal.value.__cause__)


@pytest.mark.parametrize("suffix", ["png", "ppm"])
def test_a_name_with_a_number_field_stands_for_no_other_files(tmp_path: Path, suffix: str) -> None:
    picture = cv2.imencode(f".{suffix}", np.zeros((16, 24, 3), np.uint8))[1].tobytes()
    other = cv2.imencode(f".{suffix}", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    (tmp_path / f"p%d.{suffix}").write_bytes(picture)
    (tmp_path / f"p1.{suffix}").write_bytes(other)
    with open_input(tmp_path / f"p%d.{suffix}") as container:
        assert container.streams.video[0].width == 24
