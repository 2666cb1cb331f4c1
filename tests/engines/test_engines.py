"""All engines compute what the reference computes, and refuse what they can't."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_runs import kept_full
from numpy.typing import NDArray
from skimage import data as pictures

from sr4k.engines import Engine, EngineSpec, create_engine
from sr4k.engines.base import Plane
from sr4k.engines.cpu import granted_cpus, int8_of
from sr4k.errors import EngineError, InternalError, OptionError
from sr4k.models import zoo
from sr4k.models.architecture import Precision
from sr4k.models.colour import Colour, Sampling, downsample_chroma, yuv_from_rgb
from sr4k.models.geometry import CHROMA_PAD, MARGIN, PAD_BEFORE, padded_chroma, padded_luma
from sr4k.models.quality.metrics import psnr

SPEC = EngineSpec(model="rcan2", height=96, width=128, colour=Colour())


def planes_of(spec: EngineSpec, offset: int = 0, picture: NDArray[np.uint8] | None = None) -> list[Plane]:
    """Padded planes of a real picture."""
    rgb = (pictures.astronaut() if picture is None else picture)[offset:, 100:]
    rows, columns = padded_chroma(spec.height, spec.width)
    rgb = rgb[: 2 * rows, : 2 * columns].transpose(2, 0, 1).astype(np.float64)
    rows, columns = padded_luma(spec.height, spec.width)
    if spec.colour is None:
        return [np.ascontiguousarray(rgb[:, :rows, :columns], np.float32)]
    matrix, shift = yuv_from_rgb(spec.colour)
    yuv = np.einsum("ic,chw->ihw", matrix, rgb) + shift[:, None, None]
    luma = yuv[0, :rows, :columns]
    small = downsample_chroma(yuv[1:], spec.colour.chroma_location)
    chroma = yuv[1:, :rows, :columns] if spec.colour.sampling == "444" else small
    return [
        np.ascontiguousarray(np.rint(plane).clip(0, spec.colour.peak).astype(spec.input_dtype))
        for plane in (luma, chroma)
    ]


def inner(cells: Plane) -> Plane:
    return cells[MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "torch", "nearest"])
@pytest.mark.parametrize("colour", [Colour(), None], ids=["yuv", "rgb"])
def test_results_come_in_order_and_each_is_of_its_own_picture(name: str, colour: Colour | None) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    spec = replace(SPEC, colour=colour)
    inputs = [planes_of(spec, offset) for offset in range(5)]
    with create_engine(name, spec) as engine:
        alone = [engine.infer(planes).copy() for planes in inputs]
        together = kept_full(engine, inputs)
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not np.array_equal(alone[0], alone[1])
    assert alone[0].shape == spec.output_shape
    assert alone[0].dtype == spec.input_dtype


@pytest.mark.parametrize("name", ["openvino", "torch", "nearest"])
def test_rgb_is_rounded_where_that_is_asked_for(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    spec = replace(
        SPEC, model="luma", height=24, width=32, colour=None, precision="fp32" if name == "torch" else "auto"
    )
    planes = [plane * 1.1 - 9.3 for plane in planes_of(spec)]
    with create_engine(name, spec) as engine, create_engine(name, replace(spec, rounded=True)) as rounding:
        exact, rounded = inner(engine.infer(planes)), inner(rounding.infer(planes))
    assert rounded.dtype == np.uint8 and rounding.spec.input_dtype == np.float32
    np.testing.assert_array_equal(rounded, np.rint(exact).clip(0, 255))


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize(("model", "sharpness"), [("rcan2", 0), ("luma", 100)])
@pytest.mark.parametrize("colour", [Colour(), Colour("bt601", True, "center"), Colour(sampling="444"), None], ids=str)
def test_openvino_and_torch_agree(colour: Colour | None, model: str, sharpness: int) -> None:
    pytest.importorskip("torch")
    spec = replace(SPEC, model=model, colour=colour, sharpness=sharpness)
    planes = planes_of(spec)
    results = {}
    for name, precision in (("torch", "fp32"), ("openvino", "fp32"), ("openvino", "int8")):
        with create_engine(name, replace(spec, precision=precision)) as engine:
            results[name, precision] = inner(engine.infer(planes)).copy()
    reference = results["torch", "fp32"]
    assert psnr(results["openvino", "fp32"], reference) > 70
    assert psnr(results["openvino", "int8"], reference) > 45


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("model", ["luma", "rcan2"])
@pytest.mark.parametrize("sampling", ["420", "444"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_ten_bits_are_the_same_picture_in_finer_steps(model: str, sampling: Sampling, full: bool) -> None:
    pytest.importorskip("torch")
    coarse = EngineSpec(
        model=model, height=96, width=128, colour=Colour("bt2020", full, sampling=sampling), precision="fp32"
    )
    fine = replace(coarse, colour=Colour("bt2020", full, bits=10, sampling=sampling))
    planes = planes_of(fine)
    with create_engine("torch", fine) as engine:
        reference = inner(engine.infer(planes)).astype(int)
    with create_engine("openvino", fine) as engine:
        result = inner(engine.infer(planes)).astype(int)
    with create_engine("openvino", coarse) as engine:
        eight = inner(engine.infer(planes_of(coarse))).astype(float)
    assert np.abs(result - reference).max() <= 1
    assert len(np.unique(result % 4)) == 4
    unit = 1023 / 255 if full else 4
    assert np.abs(result - unit * eight).mean() < 2.5  # an 8-bit level is four


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("rgb", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
@pytest.mark.parametrize("colour", [Colour(), Colour("bt601", True, "center")], ids=str)
def test_pure_colours_stay_pure_in_int8(colour: Colour, rgb: tuple[int, int, int]) -> None:
    spec = replace(SPEC, height=32, width=32, colour=colour, precision="int8")
    planes = planes_of(spec, picture=np.full((60, 160, 3), rgb, np.uint8))
    with create_engine("openvino", spec) as engine:
        cells = inner(engine.infer(planes)).astype(int)
    expected = [planes[0][0, 0]] * 16 + [planes[1][0, 0, 0]] * 4 + [planes[1][1, 0, 0]] * 4
    assert np.abs(cells[8, 8] - np.array(expected, int)).max() <= 3


@pytest.mark.slow(seconds=1)
def test_the_network_is_not_bicubic_nor_repetition() -> None:
    planes = planes_of(SPEC)
    with create_engine("openvino", SPEC) as network, create_engine("nearest", SPEC) as repetition:
        assert psnr(inner(network.infer(planes)), inner(repetition.infer(planes))) < 45


def test_nearest_repeats_every_sample() -> None:
    spec = replace(SPEC, height=4, width=6)
    planes = [np.arange(np.prod(s), dtype=np.uint8).reshape(s) for s in spec.input_shapes]
    with create_engine("nearest", spec) as engine:
        cells = inner(engine.infer(planes))
    left, right = planes[0][PAD_BEFORE, PAD_BEFORE : PAD_BEFORE + 2]
    assert cells[0, 0].tolist()[:8] == [left] * 2 + [right] * 2 + [left] * 2 + [right] * 2
    u, v = planes[1][:, CHROMA_PAD + 1, CHROMA_PAD + 2]
    assert cells[1, 2].tolist()[16:] == [u] * 4 + [v] * 4


def test_describe_tells_what_runs() -> None:
    with create_engine("openvino", SPEC) as engine:
        about = engine.describe()
    assert about["engine"] == "openvino"
    assert about["precision"] == ("int8" if int8_of() else "fp32")
    assert about["threads"] == granted_cpus()
    assert about["macs"] == zoo.load("rcan2").folded(Colour()).macs(96, 128)


class TestContract:
    @pytest.fixture
    def engine(self) -> Engine:
        return create_engine("nearest", SPEC)

    def test_it_must_be_active(self, engine: Engine) -> None:
        with pytest.raises(InternalError, match="not active"):
            engine.submit(planes_of(SPEC))

    def test_it_refuses_other_shapes(self, engine: Engine) -> None:
        with engine, pytest.raises(InternalError, match="expected uint8"):
            engine.submit([plane[..., :-1] for plane in planes_of(SPEC)])

    def test_it_refuses_more_than_is_in_flight(self, engine: Engine) -> None:
        with engine, pytest.raises(InternalError, match="fetch a result first"):
            for _ in range(engine.in_flight + 1):
                engine.submit(planes_of(SPEC))

    def test_there_is_no_result_without_an_input(self, engine: Engine) -> None:
        with engine, pytest.raises(InternalError, match="nothing was submitted"):
            engine.result()

    def test_odd_pictures_are_the_callers_to_pad(self) -> None:
        with pytest.raises(InternalError, match="must be even"):
            create_engine("nearest", replace(SPEC, width=127))

    @pytest.mark.parametrize("step", ["submit_impl", "result_impl"])
    def test_a_failing_backend_is_an_engine_error(
        self, step: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> Plane:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(engine, step, fail)
        with engine, pytest.raises(EngineError, match="at 128x96: out of memory"):
            engine.infer(planes_of(SPEC))

    def test_an_unknown_engine_is_named_with_the_known_ones(self) -> None:
        with pytest.raises(OptionError, match=r"no engine 'vulkan'.*openvino"):
            create_engine("vulkan", SPEC)

    @pytest.mark.parametrize(
        ("name", "precision"), [("openvino", "fp16"), ("nearest", "fp16"), ("torch", "fp16"), ("torch", "int8")]
    )
    def test_a_precision_that_it_lacks_is_refused(self, name: str, precision: Precision) -> None:
        if name == "torch":
            pytest.importorskip("torch")
        with pytest.raises(OptionError, match=rf"has no {precision}: precision can be auto, .*fp32"):
            create_engine(name, replace(SPEC, precision=precision))


class TestCpu:
    def test_a_cgroup_quota_limits_the_threads(self, tmp_path: Path) -> None:
        (tmp_path / "cpu.max").write_text("50000 100000\n")
        assert granted_cpus(tmp_path) == 1

    def test_so_does_one_of_version_1(self, tmp_path: Path) -> None:
        (tmp_path / "cpu").mkdir()
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
        (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
        assert granted_cpus(tmp_path) == 1

    @pytest.mark.parametrize("text", ["max 100000\n", None])
    def test_no_quota_grants_the_affinity(self, text: str | None, tmp_path: Path) -> None:
        if text is not None:
            (tmp_path / "cpu.max").write_text(text)
        import os

        assert granted_cpus(tmp_path) == len(os.sched_getaffinity(0))

    @pytest.mark.parametrize(
        ("flags", "way"),
        [
            ("avx2 avx_vnni", "dot products"),
            ("avx2 avx512f avx512_vnni", "dot products"),
            ("avx2", "pairs"),
            ("avx2 avx512f", None),
            ("sse4_2", None),
        ],
    )
    def test_int8_is_used_where_it_is_known_to_be_faster(self, flags: str, way: str | None, tmp_path: Path) -> None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: fpu {flags}\n")
        assert int8_of(tmp_path / "cpuinfo") == way


def test_an_engine_is_activated_and_deactivated_by_name_as_by_with(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine("nearest", replace(SPEC, height=4, width=6))
    planes = [np.zeros(shape, np.uint8) for shape in engine.spec.input_shapes]
    with pytest.raises(InternalError, match="not active"):
        engine.infer(planes)
    assert engine.activate() is engine
    assert engine.infer(planes).shape == engine.spec.output_shape
    given_back: list[bool] = []
    monkeypatch.setattr(engine, "deactivate_impl", lambda: given_back.append(True))
    engine.deactivate()
    with pytest.raises(InternalError, match="not active"):
        engine.infer(planes)
    with engine:
        engine.infer(planes)
    assert given_back == [True, True]
