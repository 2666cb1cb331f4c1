"""What a hardware encoder lacks on machines of all kinds, and stand-ins for encoders that open and that don't."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from clips import blank
from infos import video_info

from sr4k.engines.nvidia import driver
from sr4k.errors import OptionError
from sr4k.media.options import EncoderKind, EncoderSettings
from sr4k.media.writing.encoder import add_video, open_encoder
from sr4k.media.writing.encoder_table import ENCODERS
from sr4k.media.writing.hardware import _node_of, missing, render_nodes, trouble_with

INTEL, AMD = "0x8086", "0x1002"


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Folders that stand for /dev/dri and /sys/class/drm, as arguments, with nothing in them."""
    folders = {"devices": tmp_path / "dri", "cards": tmp_path / "drm"}
    for folder in folders.values():
        folder.mkdir()
    yield folders


def plug_in(gpu: dict[str, Path], vendor: str, number: int = 128, mode: int = 0o666) -> None:
    name = f"renderD{number}"
    (gpu["devices"] / name).touch()
    (gpu["devices"] / name).chmod(mode)
    (gpu["cards"] / name / "device").mkdir(parents=True)
    (gpu["cards"] / name / "device" / "vendor").write_text(f"{vendor}\n")


@pytest.mark.parametrize("kind", ["qsv", "amf", "vaapi"])
def test_without_a_render_node_that_is_what_is_missing(kind: EncoderKind, gpu: dict[str, Path]) -> None:
    found = missing(kind, "unknown", **gpu)
    assert "there is no /dev/dri/renderD*" in found.reason
    assert found.mend is not None and "--device /dev/dri" in found.mend


def test_a_gpu_of_another_maker_is_none(gpu: dict[str, Path]) -> None:
    plug_in(gpu, AMD)
    assert missing("qsv", "unknown", **gpu).reason == "there is no GPU of Intel's"
    assert "VPL" not in missing("vaapi", "unknown", **gpu).reason


def test_a_node_that_the_user_may_not_open_is_told_with_the_group(
    gpu: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(gpu, INTEL)
    monkeypatch.setattr("os.access", lambda *_: False)  # root may open any
    found = missing("qsv", "unknown", **gpu)
    assert "may not open" in found.reason and "renderD128" in found.reason
    assert found.mend is not None and "usermod -aG render" in found.mend


@pytest.mark.parametrize(
    ("kind", "vendor", "library"),
    [("qsv", INTEL, "libmfx-gen.so.1.2"), ("amf", AMD, "libamfrt64.so.1"), ("vaapi", "", "libva-drm.so.2")],
)
def test_a_runtime_that_is_not_installed_is_named(
    kind: EncoderKind, vendor: str, library: str, gpu: dict[str, Path]
) -> None:
    plug_in(gpu, vendor)
    found = missing(kind, "unknown", **gpu, is_installed=lambda _: False)
    assert library in found.reason and found.mend
    assert missing(kind, "Device busy", **gpu, is_installed=lambda _: True).reason == "Device busy", "libav's own words"


def test_nvenc_needs_the_driver(gpu: dict[str, Path]) -> None:
    assert "libcuda.so.1" in missing("nvenc", "unknown", **gpu, is_installed=lambda _: False).reason
    assert missing("nvenc", "No capable devices", **gpu, is_installed=lambda _: True).reason == "No capable devices"


def test_several_gpus_are_all_seen(gpu: dict[str, Path]) -> None:
    plug_in(gpu, INTEL)
    plug_in(gpu, AMD, 129)
    seen = [(node.path.name, node.vendor) for node in render_nodes(**gpu)]
    assert seen == [("renderD128", INTEL), ("renderD129", AMD)]


def test_frames_for_vaapi_go_to_a_gpu_whose_driver_may_have_it(gpu: dict[str, Path]) -> None:
    plug_in(gpu, "0x10de")
    assert _node_of("vaapi", list(render_nodes(**gpu))) is None, "libav may know better"
    plug_in(gpu, AMD, 129)
    assert _node_of("vaapi", list(render_nodes(**gpu))) == str(gpu["devices"] / "renderD129")
    assert _node_of("cuda", list(render_nodes(**gpu))) is None


def test_what_the_wheel_lacks_is_said_and_not_searched_for_in_the_machine() -> None:
    if "h264_vaapi" in av.codecs_available:
        pytest.skip("this FFmpeg has VAAPI")
    trouble = trouble_with("vaapi", "h264")
    assert trouble is not None and "built without it" in trouble.reason
    with (
        av.open(BytesIO(), "w", format="matroska") as target,
        pytest.raises(OptionError, match=r"h264_vaapi encoder can't be opened here .*encoder=.software."),
    ):
        add_video(target, video_info(), EncoderSettings(codec="h264", encoder="vaapi"))


@pytest.mark.skipif(bool(driver().gpus), reason="the stand-in would open")
def test_a_device_that_frames_must_be_uploaded_to_and_that_does_not_open_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NVENC with frames in CUDA's memory stands for VAAPI, which the wheel lacks: its device is opened the same way."""
    stand_in = replace(ENCODERS["vaapi", "h264"], name="h264_nvenc", device="cuda", quality={}, speed=None)
    monkeypatch.delitem(ENCODERS, ("nvenc", "h264"))  # type: ignore[arg-type]
    monkeypatch.setitem(ENCODERS, ("vaapi", "h264"), stand_in)  # type: ignore[arg-type]
    with (
        av.open(BytesIO(), "w", format="matroska") as target,
        pytest.raises(OptionError, match="The h264_nvenc encoder can't be opened here") as told,
    ):
        add_video(target, video_info(), EncoderSettings(codec="h264", encoder="vaapi"))
    assert "\n" not in str(told.value)


@pytest.mark.skipif(any(Path("/dev/dri").glob("renderD*")), reason="there may be such a GPU")
@pytest.mark.parametrize("kind", ["qsv", "amf"])
def test_an_encoder_without_its_hardware_is_one_line_that_says_what_is_missing(kind: EncoderKind) -> None:
    with av.open(BytesIO(), "w", format="matroska") as target:
        stream = add_video(target, video_info(), EncoderSettings(codec="hevc", encoder=kind))
        with pytest.raises(OptionError) as told:
            open_encoder(stream)
    assert str(told.value).startswith(f"The hevc_{kind} encoder can't be opened here (there is no /dev/dri/renderD*")
    assert "\n" not in str(told.value)


@pytest.fixture
def _an_intel_encoder_that_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """libx264 stands for h264_qsv: it opens, and takes NV12."""
    row, real = ENCODERS["qsv", "h264"], ENCODERS["software", "h264"]
    stand_in = replace(row, name="libx264", quality={"crf": "{}"}, speeds=real.speeds, live=real.live)
    monkeypatch.setitem(ENCODERS, ("qsv", "h264"), stand_in)  # type: ignore[arg-type]


def encoded(settings: EncoderSettings, picture: av.VideoFrame) -> tuple[str, np.ndarray]:
    """Encode a picture; return the pixel format of the encoder's input and the decoded picture as rgb24."""
    file = BytesIO()
    with av.open(file, "w", format="matroska") as target:
        stream = add_video(target, replace(video_info(), width=64, height=48), settings)
        open_encoder(stream)
        taken = stream.pix_fmt or ""
        picture.pts = 0
        target.mux([*stream.encode(picture), *stream.encode(None)])
    with av.open(BytesIO(file.getvalue())) as result:
        return taken, next(result.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.usefixtures("_an_intel_encoder_that_opens")
def test_an_encoder_that_opens_is_usable_and_gets_the_same_picture_in_its_own_format() -> None:
    assert trouble_with("qsv", "h264") is None
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    lossless = {"crf": "0"}
    hardware = encoded(EncoderSettings(codec="h264", encoder="qsv", options=lossless), picture)
    software = encoded(EncoderSettings(codec="h264", options=lossless), picture)
    assert (hardware[0], software[0]) == ("nv12", "yuv420p")
    assert np.array_equal(hardware[1], software[1])


@pytest.mark.usefixtures("_an_intel_encoder_that_opens")
def test_a_key_frame_that_is_requested_survives_the_change_of_format() -> None:
    keys = []
    with av.open(BytesIO(), "w", format="matroska") as target:
        stream = add_video(target, video_info(), EncoderSettings(codec="h264", encoder="qsv", options={"g": "250"}))
        open_encoder(stream)
        for number in range(6):
            picture = blank(video_info().width, video_info().height)
            picture.pts, picture.time_base = number, video_info().time_base
            picture.pict_type = PictureType.I if number == 4 else PictureType.NONE
            keys += [packet.pts for packet in stream.encode(picture) if packet.is_keyframe]
        keys += [packet.pts for packet in stream.encode(None) if packet.is_keyframe]
    assert keys == [0, 4]


def test_settings_that_an_encoder_that_works_refuses_are_not_blamed_on_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = replace(ENCODERS["qsv", "h264"], name="mpeg4", quality={}, speed=None, shallow=None)
    monkeypatch.setitem(ENCODERS, ("qsv", "h264"), stand_in)  # type: ignore[arg-type]
    settings = EncoderSettings(codec="h264", encoder="qsv", options={"mpeg_quant": "nonsense"})
    with av.open(BytesIO(), "w", format="matroska") as target:
        stream = add_video(target, video_info(), settings)
        with pytest.raises(OptionError, match=r"mpeg4 encoder can't be opened with these settings .*in 'nonsense'"):
            open_encoder(stream)


@pytest.mark.parametrize("kind", ["qsv", "amf", "vaapi"])
def test_bits_are_never_dropped_in_silence(kind: EncoderKind) -> None:
    deep = replace(video_info(), colour=replace(video_info().colour, bits=10), pixel_format="yuv420p10le")
    with (
        av.open(BytesIO(), "w", format="matroska") as target,
        pytest.raises(OptionError, match=r"keeps 8 of 10 bits: use codec=.hevc., or encoder=.software."),
    ):
        add_video(target, deep, EncoderSettings(codec="h264", encoder=kind))
