"""Tags, dispositions and chapters: those that a container can't hold are reported."""

from pathlib import Path

import av
import pytest
from av.stream import Disposition
from clips import write_clip

from sr4k import Job, Summary, load_preset

PRESET = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
PHONE = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 15",
    "com.apple.quicktime.location.ISO6709": "+48.1+011.5/",
    "rating": "5",
    "title": "Fjord",
}


def upscale(source: Path, target: Path) -> Summary:
    codec = "av1" if target.suffix == ".webm" else "h264"
    speed = "12" if codec == "av1" else "ultrafast"
    return Job(source, target, preset=PRESET.updated("encode", codec=codec, preset=speed)).run()


def phone_clip(path: Path) -> Path:
    plain = write_clip(path.with_name("plain.mkv"), frames=5)
    with av.open(str(plain)) as source, av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as target:
        target.metadata.update(PHONE)
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


@pytest.mark.slow
def test_what_a_phone_notes_is_kept(tmp_path: Path) -> None:
    source = phone_clip(tmp_path / "in.mov")
    for suffix in (".mov", ".mp4", ".mkv", ".webm"):
        assert upscale(source, tmp_path / f"out{suffix}").left_out == []
        with av.open(str(tmp_path / f"out{suffix}")) as result:
            tags = {key.lower(): value for key, value in result.metadata.items()}
        assert {key: tags.get(key.lower()) for key in PHONE} == PHONE


def test_tags_that_a_container_has_no_place_for_are_told(tmp_path: Path) -> None:
    tags = {"title": "Fjord", "rating": "5", "my_own": "x"}
    source = write_clip(tmp_path / "in.mkv", frames=5, metadata=tags, chapters=True)
    assert upscale(source, tmp_path / "out.mkv").left_out == []
    assert upscale(source, tmp_path / "out.mp4").left_out == ["tags MY_OWN, RATING can't be carried by mp4"]
    told = upscale(source, tmp_path / "out.ts").left_out
    assert told == ["tags MY_OWN, RATING, title can't be carried by mpegts", "2 chapters can't be carried by mpegts"]


def test_languages_and_marks_of_tracks_are_kept_or_told(tmp_path: Path) -> None:
    plain = write_clip(tmp_path / "plain.mkv", frames=5)
    with av.open(str(plain)) as source, av.open(str(tmp_path / "in.mkv"), "w") as target:
        copies = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        copies[1].metadata.update({"language": "nor", "title": "for those who don't see"})
        copies[1].disposition = Disposition.visual_impaired
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    assert upscale(tmp_path / "in.mkv", tmp_path / "out.mkv").left_out == []
    with av.open(str(tmp_path / "out.mkv")) as result:
        assert result.streams[1].disposition == Disposition.visual_impaired
        assert result.streams[1].metadata["title"] == "for those who don't see"
    told = "; ".join(upscale(tmp_path / "in.mkv", tmp_path / "out.flv").left_out)
    assert "language" in told
    assert "title" in told
    assert "visual_impaired" in told
