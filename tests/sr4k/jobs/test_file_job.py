"""Whole jobs on real files, by the Python door. The network is left out where it is not the point."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import MakeClip, blank, luma_planes, packet_bytes, picture, video_times

from sr4k import Box, Job, Summary, load_preset
from sr4k.engines.nvidia import Driver, Gpu
from sr4k.errors import InputError, OptionError, OutputError
from sr4k.jobs.parse import parse_devices
from sr4k.media.resume.job_folder import Parts
from sr4k.media.writing.encoder_table import ENCODERS
from sr4k.models.quality.metrics import psnr
from sr4k.pipeline import WorkerSpec

VFR = [0, 512, 700, 2048, 2049, 9000, 9512, 10_000, 20_000, 20_001]


def upscale(source: Path, target: Path, *, size: Any = None, overwrite: bool = False, **changes: Any) -> Summary:
    """Run a job in threads, without the network unless an engine is named."""
    preset = load_preset("file").updated("graph", mode=changes.pop("mode", "threads"))
    preset = preset.updated("graph", lanes=changes.pop("lanes", None))
    engine = {k: changes.pop(k) for k in ("model", "precision", "pixels", "threads") if k in changes}
    preset = preset.updated("engine", name=changes.pop("engine", "nearest"), **engine)
    preset = preset.updated("encode", preset=changes.pop("preset", "ultrafast"), **changes)
    return Job(source, target, preset=preset, size=size, overwrite=overwrite).run()


class TestTime:
    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize("mode", ["threads", "processes"])
    @pytest.mark.parametrize("pts", [None, VFR], ids=["cfr", "vfr"])
    def test_every_frame_keeps_its_exact_time(
        self, mode: str, pts: list[int] | None, make_clip: MakeClip, tmp_path: Path
    ) -> None:
        source = make_clip(pts=pts)
        summary = upscale(source, tmp_path / "out.mp4", mode=mode)
        assert video_times(tmp_path / "out.mp4") == video_times(source)
        assert summary.frames == len(video_times(source)) == 10
        assert not summary.damaged

    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24), Fraction(50)])
    @pytest.mark.parametrize("preset", ["ultrafast", "medium"], ids=["no B-frames", "B-frames"])
    def test_so_at_any_rate_and_with_b_frames(
        self, rate: Fraction, preset: str, make_clip: MakeClip, tmp_path: Path
    ) -> None:
        base = 1 / rate
        source = make_clip(rate=rate, time_base=base / 1000, options={"preset": preset}, frames=12)
        upscale(source, tmp_path / "out.mp4", preset=preset)
        assert video_times(tmp_path / "out.mp4") == video_times(source)

    def test_a_start_offset_is_kept(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip(pts=[25_600 + 512 * k for k in range(5)])
        upscale(source, tmp_path / "out.mp4")
        assert video_times(tmp_path / "out.mp4") == video_times(source)
        assert video_times(source)[0] == 2

    def test_matroska_keeps_its_milliseconds(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("a.mkv", pts=[0, 33, 34, 100, 101, 350], time_base=Fraction(1, 1000))
        upscale(source, tmp_path / "out.mkv", preset="medium")
        assert video_times(tmp_path / "out.mkv") == video_times(source)


class TestTheRestOfTheFile:
    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_sound_is_copied_packet_by_packet(self, suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
        source, target = make_clip(f"in{suffix}", frames=30), tmp_path / f"out{suffix}"
        upscale(source, target)
        assert packet_bytes(target, "audio") == packet_bytes(source, "audio")
        with av.open(str(target)) as result:
            assert result.streams.audio[0].language == "fra"

    def test_tags_chapters_and_attachments_are_kept(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("in.mkv", metadata={"title": "A film"}, chapters=True, attachment=b"letters" * 10)
        summary = upscale(source, tmp_path / "out.mkv")
        assert summary.left_out == []
        with av.open(str(tmp_path / "out.mkv")) as result:
            assert result.metadata["title"] == "A film"
            assert [c["metadata"]["title"] for c in result.chapters()] == ["One", "Two"]
            assert [c["start"] * c["time_base"] for c in result.chapters()] == [0, Fraction(1, 5)]
            assert [s.data for s in result.streams if s.type == "attachment"] == [b"letters" * 10]

    def test_what_the_container_cannot_carry_is_said(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("in.mkv", attachment=b"letters")
        summary = upscale(source, tmp_path / "out.mp4")
        assert len(summary.left_out) == 1
        assert "attachment" in summary.left_out[0]
        assert "can't be carried by mp4" in summary.left_out[0]

    @pytest.mark.parametrize(("suffix", "carried"), [(".mp4", True), (".mkv", True), (".ts", False)])
    def test_a_cover_picture_is_copied_or_said_to_be_left_out(
        self, suffix: str, carried: bool, make_clip: MakeClip, tmp_path: Path
    ) -> None:
        plain, source = make_clip("plain.mp4"), tmp_path / "cover.mp4"
        with av.open(str(plain)) as a, av.open(str(source), "w") as out:
            copies = [out.add_stream_from_template(s) for s in a.streams]
            cover = out.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            out.mux(cover.encode(blank(32, 32, "yuvj420p")) + cover.encode(None))
            for packet in a.demux():
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
        summary = upscale(source, tmp_path / f"out{suffix}")
        with av.open(str(tmp_path / f"out{suffix}")) as result:
            covers = [s for s in result.streams.video if s.disposition & Disposition.attached_pic]
            assert (len(covers), len(result.streams.video)) == ((1, 2) if carried else (0, 1))
        assert summary.left_out == ([] if carried else ["stream 2 (video, mjpeg) can't be carried by mpegts"])

    def test_tags_that_are_not_utf8_do_no_harm(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("in.mkv", metadata={"title": "XXXX"})
        source.write_bytes(source.read_bytes().replace(b"XXXX", b"\xe9t\xe9\xff"))
        upscale(source, tmp_path / "out.mkv")
        with av.open(str(tmp_path / "out.mkv")) as result:
            assert "t" in result.metadata["title"]

    def test_subtitles_are_copied(self, make_clip: MakeClip, tmp_path: Path) -> None:
        plain, source = make_clip("plain.mkv"), tmp_path / "subs.mkv"
        lines = tmp_path / "lines.srt"
        lines.write_text("1\n00:00:00,040 --> 00:00:00,200\nGood day\n\n2\n00:00:00,200 --> 00:00:00,360\nGood bye\n")
        with av.open(str(plain)) as a, av.open(str(lines)) as b, av.open(str(source), "w") as out:
            copies = [[out.add_stream_from_template(s, opaque=True) for s in c.streams] for c in (a, b)]
            for container, streams in zip((a, b), copies, strict=True):
                for packet in container.demux():
                    if packet.dts is not None:
                        packet.stream = streams[packet.stream.index]
                        out.mux(packet)
        upscale(source, tmp_path / "out.mkv")
        assert packet_bytes(tmp_path / "out.mkv", "subtitle") == packet_bytes(source, "subtitle")
        assert len(packet_bytes(source, "subtitle")) == 2


class TestPicture:
    @pytest.mark.parametrize("size", [(64, 48), (66, 50), (65, 48), (64, 49), (33, 27), (2, 2)])
    def test_any_size_is_doubled_exactly(self, size: tuple[int, int], make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip("in.mkv", size=size, codec="ffv1", options={}, frames=3, audio=False)
        upscale(source, tmp_path / "out.mkv", crf=0)
        doubled = [plane.repeat(2, axis=0).repeat(2, axis=1) for plane in luma_planes(source)]
        assert all(np.array_equal(a, b) for a, b in zip(luma_planes(tmp_path / "out.mkv"), doubled, strict=True))

    def test_tags_of_colour_and_shape_are_kept(self, make_clip: MakeClip, tmp_path: Path) -> None:
        tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
        turned = [0, 65536, 0, -65536, 0, 0, 0, 0, 1073741824]
        source = make_clip(context=tags, sample_aspect_ratio=Fraction(4, 3), display_matrix=turned)
        upscale(source, tmp_path / "out.mp4")
        for path in (source, tmp_path / "out.mp4"):
            with av.open(str(path)) as clip:
                frame = next(clip.decode(video=0))
                assert {key: getattr(frame, key) for key in tags} == tags
                assert clip.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
                assert frame.rotation == -90

    @pytest.mark.parametrize("size", [(128, 96), (200, 100)])
    def test_an_exact_size_keeps_the_shape_on_screen(
        self, size: tuple[int, int], make_clip: MakeClip, tmp_path: Path
    ) -> None:
        upscale(make_clip(), tmp_path / "out.mp4", size=Box(*size, "stretch"))
        with av.open(str(tmp_path / "out.mp4")) as result:
            video = result.streams.video[0]
            assert (video.width, video.height) == size
            aspect = Fraction(video.width, video.height) * (video.sample_aspect_ratio or 1)
            assert aspect == Fraction(4, 3)

    def test_more_than_ten_bits_are_reduced_and_said_to_be(
        self, make_clip: MakeClip, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        source = make_clip("in.mkv", codec="ffv1", pix_fmt="yuv420p12le", options={}, frames=2)
        upscale(source, tmp_path / "out.mkv")
        assert "frames of 12 bits are reduced to 10" in caplog.text

    @pytest.mark.parametrize(
        ("pix_fmt", "codec", "context"),
        [
            ("bgr0", "ffv1", {}),
            ("gray", "ffv1", {}),
            ("yuv444p", "ffv1", {"color_range": 1, "colorspace": 6}),
            ("yuvj420p", "mjpeg", {}),
            ("yuv420p10le", "ffv1", {"color_range": 1, "colorspace": 6}),
        ],
    )
    def test_other_pixel_formats_keep_their_colours(
        self, pix_fmt: str, codec: str, context: dict[str, int], tmp_path: Path
    ) -> None:
        colour = (150, 150, 150) if pix_fmt == "gray" else (190, 90, 40)
        source = tmp_path / "flat.mkv"
        flat = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="rgb24")
        with av.open(str(source), "w") as out:
            video = out.add_stream(codec, rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, pix_fmt
            for key, value in context.items():
                setattr(video.codec_context, key, value)
            frame = flat.reformat(format=pix_fmt, dst_colorspace="ITU601" if pix_fmt.startswith("yuv") else None)
            frame.pts = None
            out.mux(video.encode(frame))
            out.mux(video.encode(None))
        upscale(source, tmp_path / "out.mkv", crf=0)
        middles = []
        for path in (source, tmp_path / "out.mkv"):
            with av.open(str(path)) as clip:
                shown = next(clip.decode(video=0)).to_ndarray(format="rgb24")
                middles.append(shown[shown.shape[0] // 2, shown.shape[1] // 2].astype(int))
        assert np.abs(middles[0] - middles[1]).max() <= 4, middles

    @pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
    def test_encoders_go_by_name(self, codec: str, make_clip: MakeClip, tmp_path: Path) -> None:
        speed = "12" if codec == "av1" else "ultrafast"
        summary = upscale(make_clip(frames=4), tmp_path / "out.mp4", codec=codec, preset=speed, crf=30)
        with av.open(str(tmp_path / "out.mp4")) as result:
            assert result.streams.video[0].codec_context.codec.canonical_name == codec
        assert summary.frames == 4

    @pytest.mark.slow
    def test_a_single_frame_of_hevc_has_a_time(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip(frames=1, audio=False)
        for number in range(12):  # what is guarded against came and went
            upscale(source, tmp_path / f"{number}.mkv", codec="hevc")
            assert video_times(tmp_path / f"{number}.mkv") == [0]

    @pytest.mark.slow(seconds=1)
    def test_bitrate_replaces_constant_quality(self, make_clip: MakeClip, tmp_path: Path) -> None:
        source = make_clip(frames=50, audio=False)
        for bits in (100_000, 400_000):
            upscale(source, tmp_path / f"{bits}.mp4", bitrate=bits)
        assert (tmp_path / "400000.mp4").stat().st_size > 1.5 * (tmp_path / "100000.mp4").stat().st_size


class TestEnginesAgree:
    """The same picture, whatever computes it."""

    @pytest.fixture
    def clip(self, make_clip: MakeClip) -> Path:
        return make_clip("real.mkv", size=(160, 120), codec="ffv1", options={}, frames=2, audio=False)

    @staticmethod
    def frames(source: Path, target: Path, **changes: Any) -> np.ndarray[Any, Any]:
        upscale(source, target, crf=0, **changes)
        with av.open(str(target)) as result:
            return np.stack([f.to_ndarray(format="yuv420p") for f in result.decode(video=0)])

    @pytest.mark.slow
    @pytest.mark.parametrize("model", ["luma", "rcan2"])
    def test_within_45_db_in_int8_and_55_db_in_float(self, model: str, clip: Path, tmp_path: Path) -> None:
        """All planes; of the luma networks on RGB only the luma, for there chroma is brought to full size and back."""
        pytest.importorskip("torch")
        reference = self.frames(clip, tmp_path / "reference.mkv", engine="torch", model=model)
        for name, bar, changes in (
            ("default", 45, {"engine": "openvino"}),
            ("default-bgr", 45, {"engine": "openvino", "pixels": "bgr"}),
            ("float", 55, {"engine": "openvino", "precision": "fp32"}),
            ("float-bgr", 55, {"engine": "openvino", "precision": "fp32", "pixels": "bgr"}),
            ("torch-bgr", 55, {"engine": "torch", "pixels": "bgr"}),
        ):
            made = self.frames(clip, tmp_path / f"{name}.mkv", model=model, **changes)
            rows = made.shape[1] * 2 // 3 if model == "luma" and "bgr" in name else made.shape[1]
            assert psnr(made[:, :rows], reference[:, :rows]) > bar, name

    @pytest.mark.slow
    def test_lanes_change_nothing(self, make_clip: MakeClip, tmp_path: Path) -> None:
        clip = make_clip("moving.mkv", size=(160, 120), frames=7, audio=False)
        alone, shared = (
            self.frames(clip, tmp_path / f"{lanes}.mkv", engine="openvino", lanes=lanes, mode="processes")
            for lanes in (1, 2)
        )
        assert np.array_equal(alone, shared)

    def test_the_network_sharpens_what_bicubic_leaves_soft(self, tmp_path: Path) -> None:
        import cv2
        from skimage import data as pictures

        from sr4k.models.resize import imresize

        high = pictures.astronaut()[:384, :384]
        low = imresize(high, 192, 192)
        source = tmp_path / "face.mkv"
        with av.open(str(source), "w") as out:
            video = out.add_stream("ffv1", rate=25)
            video.width = video.height = 192
            video.pix_fmt = "yuv420p"
            out.mux(video.encode(av.VideoFrame.from_ndarray(low, format="rgb24")))
            out.mux(video.encode(None))
        ours = self.frames(source, tmp_path / "out.mkv", engine="openvino")[0][:384]
        (small,) = luma_planes(source)
        truth = av.VideoFrame.from_ndarray(high, format="rgb24").to_ndarray(format="yuv420p")[:384]
        bicubic = cv2.resize(small, (384, 384), interpolation=cv2.INTER_CUBIC)
        assert psnr(ours, truth) > psnr(bicubic, truth) + 1.0


class TestBadInput:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"nope\.mp4 does not exist"):
            upscale(tmp_path / "nope.mp4", tmp_path / "out.mp4")

    @pytest.mark.parametrize("content", [b"", b"just some text\n" * 100, bytes(range(256)) * 50])
    def test_something_that_is_no_video(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "in.mp4").write_bytes(content)
        with pytest.raises(InputError, match=r"in\.mp4"):
            upscale(tmp_path / "in.mp4", tmp_path / "out.mp4")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4"], "nothing may be left behind"

    def test_sound_alone(self, make_clip: MakeClip, tmp_path: Path) -> None:
        clip = make_clip()
        with av.open(str(clip)) as source, av.open(str(tmp_path / "sound.m4a"), "w") as out:
            audio = out.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(source.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = audio
                    out.mux(packet)
        with pytest.raises(InputError, match="no video stream; it holds audio"):
            upscale(tmp_path / "sound.m4a", tmp_path / "out.mp4")

    def test_a_lost_header(self, make_clip: MakeClip, tmp_path: Path) -> None:
        clip = make_clip(frames=50)
        clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])  # the moov box is at the end
        with pytest.raises(InputError, match="header is damaged"):
            upscale(clip, tmp_path / "out.mp4")

    @pytest.mark.slow(seconds=1)
    @pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
    def test_a_truncated_file_gives_what_it_holds(self, suffix: str, make_clip: MakeClip, tmp_path: Path) -> None:
        clip = make_clip(f"in{suffix}", frames=150, size=(160, 120))
        if suffix == ".mp4":  # put the header first, as a download that broke off would have it
            with av.open(str(clip)) as a, av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "faststart"}) as b:
                copies = {s.index: b.add_stream_from_template(s) for s in a.streams}
                for packet in a.demux():
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream.index]
                        b.mux(packet)
            clip = tmp_path / "f.mp4"
        clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
        summary = upscale(clip, tmp_path / f"out{suffix}")
        assert 40 < summary.frames < 140
        assert len(video_times(tmp_path / f"out{suffix}")) == summary.frames
        if suffix != ".ts":  # which does not say how long it is
            assert summary.damaged
            assert summary.losses.missing > 10
            assert any("the file ends at" in reason for reason in summary.losses.reasons)

    @pytest.mark.slow(seconds=1)
    def test_damage_in_the_middle_is_counted_and_passed(self, make_clip: MakeClip, tmp_path: Path) -> None:
        clip = make_clip("in.mkv", frames=100, size=(160, 120), options={"g": "10", "preset": "ultrafast"})
        data = bytearray(clip.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
        clip.write_bytes(bytes(data))
        summary = upscale(clip, tmp_path / "out.mkv")
        assert summary.frames >= 60
        assert summary.damaged
        assert summary.losses.first_at is not None


class TestBadOutput:
    def test_an_existing_file_is_kept(self, make_clip: MakeClip, tmp_path: Path) -> None:
        (tmp_path / "out.mp4").write_text("precious")
        with pytest.raises(OutputError, match="overwrite=True"):
            upscale(make_clip(), tmp_path / "out.mp4")
        assert (tmp_path / "out.mp4").read_text() == "precious"
        upscale(make_clip(), tmp_path / "out.mp4", overwrite=True)
        assert len(video_times(tmp_path / "out.mp4")) == 10

    def test_the_source_is_never_the_target(self, make_clip: MakeClip) -> None:
        clip = make_clip()
        with pytest.raises(OptionError, match="source itself"):
            upscale(clip, clip, overwrite=True)

    def test_a_failed_job_keeps_the_existing_file(self, tmp_path: Path) -> None:
        (tmp_path / "out.mp4").write_text("precious")
        (tmp_path / "in.mp4").write_text("rubbish")
        with pytest.raises(InputError):
            upscale(tmp_path / "in.mp4", tmp_path / "out.mp4", overwrite=True)
        assert (tmp_path / "out.mp4").read_text() == "precious"

    @pytest.mark.parametrize(
        ("name", "error", "words"),
        [
            ("clip.mp4/out.mp4", OutputError, "clip.mp4 is a file"),
            ("out", OptionError, "no suffix"),
            ("out.xyz", OptionError, r"'\.xyz' isn't a container"),
        ],
    )
    def test_an_impossible_name(
        self, name: str, error: type[Exception], words: str, make_clip: MakeClip, tmp_path: Path
    ) -> None:
        with pytest.raises(error, match=words):
            upscale(make_clip(), tmp_path / name)

    def test_a_codec_that_the_container_cannot_hold(self, make_clip: MakeClip, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="webm"):
            upscale(make_clip(audio=False), tmp_path / "out.webm", codec="h264")

    def test_an_encoder_option_that_does_not_exist(self, make_clip: MakeClip, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"no option 'tuna': check the name given to options\."):
            upscale(make_clip(), tmp_path / "out.mp4", options={"tuna": "film"})

    def test_nvenc_without_a_gpu(self, make_clip: MakeClip, tmp_path: Path) -> None:
        if Path("/dev/nvidia0").exists():
            pytest.skip("there is an NVIDIA GPU")
        with pytest.raises(OptionError, match="no NVIDIA driver or GPU"):
            upscale(make_clip(), tmp_path / "out.mp4", codec="h264", encoder="nvenc", preset="p4")

    def test_a_hardware_encoder_that_opens_writes_the_file(
        self, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = replace(ENCODERS["qsv", "h264"], name="mpeg4", quality={}, speed=None, shallow=None)
        monkeypatch.setitem(ENCODERS, ("qsv", "h264"), row)  # type: ignore[arg-type]
        clip = make_clip()
        summary = upscale(clip, tmp_path / "out.mp4", encoder="qsv", preset=None)
        assert summary.video.codec == "mpeg4"
        assert video_times(tmp_path / "out.mp4") == video_times(clip)

    @pytest.mark.skipif(any(Path("/dev/dri").glob("renderD*")), reason="there may be such a GPU")
    @pytest.mark.parametrize(("encoder", "speed"), [("qsv", "veryfast"), ("amf", "speed"), ("vaapi", "7")])
    def test_an_encoder_that_cannot_be_used_here_leaves_nothing(
        self, encoder: str, speed: str, make_clip: MakeClip, tmp_path: Path
    ) -> None:
        folder = tmp_path / "results"
        with pytest.raises(OptionError, match=f"h264_{encoder} encoder can't be opened here"):
            upscale(make_clip(), folder / "out.mp4", encoder=encoder, preset=speed)
        assert not list(folder.rglob("*.mp4"))


def test_paths_may_be_text(make_clip: MakeClip, tmp_path: Path) -> None:
    preset = load_preset("file").updated("graph", mode="threads").updated("engine", name="nearest")
    job = Job(str(make_clip()), str(tmp_path / "new" / "folder" / "out.mp4"), preset=preset)
    assert job.target == tmp_path / "new" / "folder" / "out.mp4"
    assert replace(job, overwrite=True).source == job.source
    assert len(video_times(Path(job.run().output))) == 10


def test_a_job_takes_a_persons_words() -> None:
    job = Job("in.mp4", "out.mp4", preset="fast", size="4k")
    assert (job.preset, job.size) == (load_preset("fast"), Box(3840, 2160, turns=True))
    assert Job("in.mp4", "out.mp4").preset == load_preset("file")


@pytest.mark.parametrize(
    "wrong", [{"size": "huge"}, {"preset": "nope"}, {"deinterlace": "yes"}, {"rate": Fraction(24)}]
)
def test_what_can_not_be_is_refused_when_a_job_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Job("in.mp4", "out.mp4", **wrong)


def test_a_job_has_to_be_told_where_to_write() -> None:
    with pytest.raises(TypeError, match="target"):
        Job("in.mp4")  # type: ignore[call-arg]


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_text("rubbish")
    with pytest.raises(InputError):
        upscale(tmp_path / "in.mp4", tmp_path / "new" / "folder" / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_the_test_picture_moves() -> None:
    assert not np.array_equal(picture(0, 64, 48), picture(1, 64, 48))


class TestDevices:
    def upscalers(self, monkeypatch: pytest.MonkeyPatch, **graph: object) -> WorkerSpec:
        found = Driver((13, 0), tuple(Gpu(k, "a card", (9, 0), 2**36) for k in range(2)))
        monkeypatch.setattr("sr4k.engines.nvidia.driver", lambda: found)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        preset = load_preset("file").updated("engine", name="cuda").updated("graph", **graph)
        return Job(Path("in.mp4"), Path("out.mp4"), preset=preset, cpus=64).graph(Parts(Path("out.mp4"))).workers[1]

    def test_each_gpu_has_a_lane(self, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = self.upscalers(monkeypatch, devices=(0, 1))
        assert worker.lanes == 2
        assert worker.environments == ({"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"})

    def test_without_a_choice_the_first_gpu_has_the_only_lane(self, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = self.upscalers(monkeypatch)
        assert worker.lanes == 1
        assert worker.environments == ()

    def test_a_gpu_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(OptionError, match="There is no GPU 4"):
            self.upscalers(monkeypatch, devices=(4,))

    def test_what_is_no_list_of_numbers(self) -> None:
        assert parse_devices("0, 2") == (0, 2)
        with pytest.raises(OptionError, match="numbers, separated by commas"):
            parse_devices("0;1")
