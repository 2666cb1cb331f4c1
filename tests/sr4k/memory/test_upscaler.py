"""Frames in memory: single ones, of every kind, against the files that the same program makes of them."""

import gc
import pickle
import resource
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import MakeClip
from numpy.typing import NDArray

from sr4k import Box, EngineError, Job, MachineError, OptionError, Upscaler, load_preset
from sr4k.engines import ENGINES
from sr4k.media.sample_pattern import draw
from sr4k.memory import passages

THREADS = load_preset("file").updated("graph", mode="threads")
NOISE = np.random.default_rng(0)

Array = NDArray[Any]


def frame(height: int = 32, width: int = 48) -> Array:
    return np.clip(draw(3, (width, height)) + NOISE.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)


def by_file(source: Array, folder: Path, model: str = "luma", **size: Any) -> Array:
    """What ``sr4k-stream`` makes of a PNG of a frame (BGR, or gray)."""
    cv2.imwrite(str(folder / "in.png"), source)
    preset = THREADS.updated("engine", model=model)
    Job(folder / "in.png", folder / "out.png", preset=preset, overwrite=True, **size).run()
    return np.asarray(cv2.imread(str(folder / "out.png"), cv2.IMREAD_UNCHANGED))


@pytest.fixture(scope="module")
def luma() -> Upscaler:
    return Upscaler("luma")


@pytest.fixture(scope="module")
def nearest() -> Upscaler:
    return Upscaler(engine="nearest")


@pytest.mark.parametrize(
    ("size", "made"),
    [((77, 33), (33, 44)), ("77x33", (33, 44)), (Box(77, 33, "pad"), (33, 77)), (Box(77, 33, "stretch"), (33, 77))],
)
def test_a_size_is_a_box_in_which_frames_keep_their_shape(size: Any, made: tuple[int, int]) -> None:
    with Upscaler(engine="nearest", size=size) as up:
        assert up(frame(48, 64)).shape == (*made, 3)
        assert up(frame(48, 64)[..., 0]).shape == made


@pytest.mark.parametrize("size", [(32, 48), (31, 45), (1, 1), (2, 200)])
def test_a_frame_becomes_what_a_png_of_it_becomes(size: tuple[int, int], luma: Upscaler, tmp_path: Path) -> None:
    bgr = frame(*size)
    expected = by_file(bgr, tmp_path)
    np.testing.assert_array_equal(luma(bgr, order="bgr"), expected)
    np.testing.assert_array_equal(luma(bgr[..., ::-1]), expected[..., ::-1])


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("size", [{"size": "100x60"}, {"size": "41x40"}, {"scale": 1.5}])
def test_so_it_does_at_a_size_that_was_asked_for(size: dict[str, Any], tmp_path: Path) -> None:
    bgr = frame(31, 45)
    expected = by_file(bgr, tmp_path, **size)
    with Upscaler(**size) as up:
        assert [np.array_equal(made, expected) for made in up.frames([bgr] * 4, order="bgr")] == [True] * 4
        np.testing.assert_array_equal(up(bgr, order="bgr"), expected)
        np.testing.assert_array_equal(up(bgr[..., ::-1]), expected[..., ::-1])


@pytest.mark.slow(seconds=1)
def test_by_a_scale_too_in_two_passes_and_for_frames_of_every_size(tmp_path: Path) -> None:
    with Upscaler(scale=3) as up:
        for bgr in (frame(), frame()[:30, :41]):
            expected = by_file(bgr, tmp_path, size="x3")
            np.testing.assert_array_equal(up(bgr, order="bgr"), expected)
            assert expected.shape == (3 * bgr.shape[0], 3 * bgr.shape[1], 3)
            for made in up.frames([bgr, bgr], order="bgr"):
                np.testing.assert_array_equal(made, expected)


def test_gray_becomes_the_gray_of_that_png(luma: Upscaler, tmp_path: Path) -> None:
    gray = frame()[..., 1]
    expected = by_file(gray, tmp_path)
    for order in ("rgb", "bgr"):
        np.testing.assert_array_equal(luma(gray, order=order), expected)
    assert expected.ndim == 2


@pytest.mark.slow(seconds=1)
def test_another_network_runs_by_its_name(tmp_path: Path) -> None:
    bgr = frame()
    with Upscaler("rcan2", threads=1) as up:
        np.testing.assert_array_equal(up(bgr, order="bgr"), by_file(bgr, tmp_path, "rcan2"))


@pytest.mark.slow(seconds=1)
def test_sixteen_bits_keep_their_depth(luma: Upscaler) -> None:
    shallow = frame()
    made = luma(shallow.astype(np.uint16) * 257)
    assert made.dtype == np.uint16 and len(np.unique(made)) > 256
    assert np.abs(made / 257 - luma(shallow)).max() <= 0.51
    gray = luma(shallow[..., 0].astype(np.uint16) * 257)
    assert np.abs(gray / 257 - luma(shallow[..., 0])).max() <= 0.51


@pytest.mark.parametrize("bits", [10, 12])
def test_depths_between_have_their_own_white(bits: int, luma: Upscaler) -> None:
    peak = (1 << bits) - 1
    deep = NOISE.integers(0, peak + 1, (16, 24, 3), np.uint16)
    made, of_whole = luma(deep, bits=bits), luma(np.rint(deep * (65535 / peak)).astype(np.uint16))
    assert made.max() == peak
    assert np.abs(made - of_whole * (peak / 65535)).max() <= 0.51


def planes_of(picture: av.VideoFrame) -> tuple[Array, ...]:
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    )


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("scale", [None, 3])
def test_planes_become_those_that_a_lossless_file_has(scale: int | None, make_clip: MakeClip, tmp_path: Path) -> None:
    source, target, luma = make_clip("in.mp4", frames=4, audio=False), tmp_path / "out.mkv", Upscaler(scale=scale)
    Job(source, target, preset=THREADS.updated("encode", crf=0), scale=scale, source_quality="clean").run()
    with av.open(source) as small, av.open(target) as large:
        given = [planes_of(picture) for picture in small.decode(video=0)]
        expected = [planes_of(picture) for picture in large.decode(video=0)]
    assert len(given) == 4
    for made, planes in zip(luma.yuv420_frames(given), expected, strict=True):
        for plane, wanted in zip(made, planes, strict=True):
            np.testing.assert_array_equal(plane, wanted)
    y, u, v = given[2]
    split, (large_y, large_uv) = luma.yuv420(y, u, v), luma.yuv420(y, np.dstack([u, v]))
    for plane, wanted in zip(split, expected[2], strict=True):
        np.testing.assert_array_equal(plane, wanted)
    np.testing.assert_array_equal(large_y, split[0])
    np.testing.assert_array_equal(large_uv, np.dstack(split[1:]))


def test_planes_of_odd_sides_and_of_ten_bits_keep_their_places(nearest: Upscaler) -> None:
    y, u, v = (NOISE.integers(0, 1024, shape, np.uint16) for shape in ((5, 7), (3, 4), (3, 4)))
    made = nearest.yuv420(y, u, v, bits=10, range="full", matrix="bt2020", chroma_location="center")
    assert [plane.shape for plane in made] == [(10, 14), (5, 7), (5, 7)]
    np.testing.assert_array_equal(made[0], y.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(made[1], u.repeat(2, 0).repeat(2, 1)[:5, :7])
    large_y, large_uv = nearest.yuv420(y, np.dstack([u, v]).reshape(3, 8), bits=10)
    np.testing.assert_array_equal(large_uv[..., 1], made[2])
    np.testing.assert_array_equal(large_y, made[0])


@pytest.mark.slow(seconds=1)
def test_matrix_and_range_are_told_to_the_network() -> None:
    y, u = NOISE.integers(0, 256, (16, 16), np.uint8), np.full((8, 8), 90, np.uint8)
    with Upscaler() as up:
        assert not np.array_equal(up.yuv420(y, u, u)[0], up.yuv420(y, u, u, range="full")[0])
        assert not np.array_equal(
            up.yuv420(y, y[::2, ::2], u)[1], up.yuv420(y, y[::2, ::2], u, chroma_location="topleft")[1]
        )


def test_strides_and_write_protection_do_not_matter_and_nothing_is_changed(nearest: Upscaler) -> None:
    whole = frame(40, 60)
    for view in (whole[::2, ::-3], whole.transpose(1, 0, 2), np.asfortranarray(whole), whole[5:6, 7:8]):
        kept = view.copy()
        view.flags.writeable = False
        np.testing.assert_array_equal(nearest(view), kept.repeat(2, 0).repeat(2, 1))
        np.testing.assert_array_equal(view, kept)
    assert nearest(whole, order="bgr").flags.c_contiguous
    swapped = whole.astype(">u2")
    np.testing.assert_array_equal(nearest(swapped), whole.astype(np.uint16).repeat(2, 0).repeat(2, 1))


RGB = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (RGB / 255, {}, "reach to 1 or to 255"),
        (RGB.astype(np.float16), {}, "pass uint8"),
        (np.zeros((8, 8, 4), np.uint8), {}, "has alpha"),
        (np.zeros((8, 8, 2), np.uint8), {}, "gray is"),
        (np.zeros((8, 8, 1), np.uint8), {}, "gray is"),
        (np.zeros((3, 8, 8), np.uint8), {}, "planar, which tensor"),
        (np.zeros((1, 8, 8, 3), np.uint8), {}, "no picture"),
        (np.zeros(8, np.uint8), {}, "no picture"),
        (np.zeros((0, 8, 3), np.uint8), {}, "is empty"),
        (RGB.astype(bool), {}, "bool is not supported"),
        (RGB.astype(np.int16), {}, "int16 is not supported"),
        (RGB.astype(np.uint32), {}, "uint32 is not supported"),
        (RGB.astype(object), {}, "object is not supported"),
        (RGB.tolist(), {}, "this is a builtins.list"),
        (None, {}, "NoneType"),
        (np.ma.masked_equal(RGB, 0), {}, "without a value"),
        ("in.png", {}, "builtins.str"),
        (RGB, {"order": "rgba"}, "order can't be 'rgba'"),
        (RGB, {"bits": 10}, "has 8 bits, not 10"),
        (RGB.astype(np.uint16), {"bits": 8}, "use 9 to 16"),
        (RGB.astype(np.uint16), {"bits": 17}, "use 9 to 16"),
        (RGB.astype(np.uint16), {"bits": "10"}, "can't have '10' bits"),
        (RGB.astype(np.uint16), {"bits": 10.5}, "can't have 10.5 bits"),
        (RGB.astype(np.uint16) + 1024, {"bits": 10}, "1024 has more than 10 bits"),
    ],
)
def test_what_can_not_be_read_for_certain_is_refused_in_a_sentence(
    given: Any, options: dict[str, Any], said: str, nearest: Upscaler
) -> None:
    with pytest.raises(OptionError, match=said) as refused:
        nearest(given, **options)
    assert isinstance(refused.value, ValueError)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


Y, U = np.zeros((6, 8), np.uint8), np.zeros((3, 4), np.uint8)


@pytest.mark.parametrize(
    ("planes", "options", "said"),
    [
        ((Y, U, U[1:]), {}, "4:2:0 has"),
        ((Y, Y, Y), {}, "4:2:0 has"),
        ((Y, U), {}, "4:2:0 has"),
        ((Y[..., None], U, U), {}, "luma as"),
        ((Y[:0], U, U), {}, "luma as"),
        ((Y, U, U.astype(float)), {}, "not float64, uint8"),
        ((Y, U, U), {"bits": 10}, "10 bits are uint16"),
        ((Y.astype(np.uint16),) * 1 + (U.astype(np.uint16),) * 2, {}, "8 bits are uint8"),
        ((Y.astype(np.uint16), U.astype(np.uint16) + 4096, U.astype(np.uint16)), {"bits": 10}, "4096 has more"),
        ((Y, U, U), {"bits": 12}, "bits of 4:2:0 planes can't be 12"),
        ((Y, U, U), {"matrix": "bt708"}, "can't be 'bt708'"),
        ((Y, U, U), {"range": "tv"}, "use limited, full"),
        ((Y, U, U), {"chroma_location": "right"}, "left, center"),
    ],
)
def test_planes_that_fit_nothing_are_refused(
    planes: Any, options: dict[str, Any], said: str, nearest: Upscaler
) -> None:
    with pytest.raises(OptionError, match=said):
        nearest.yuv420(*planes, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "nothing"}, "no model 'nothing'"),
        ({"engine": "nothing"}, "no engine 'nothing'"),
        ({"precision": "int3"}, "precision"),
        ({"threads": 0}, "^threads can't be 0: it must be at least 1"),
        ({"device": "xpu"}, "^device can't be xpu"),
        ({"size": "5p"}, "5p"),
        ({"preset": "nothing"}, "nothing"),
        ({"preset": THREADS.updated("engine", pixels="yuv")}, "leave engine.pixels out"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Upscaler(**options)


def test_an_engine_that_can_not_start_is_named_and_the_next_call_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "failing", "toy_engines:FailingEngine")
    up = Upscaler(engine="failing")
    for _ in range(2):
        with pytest.raises(EngineError, match="the GPU"):
            up(RGB)


def test_an_engine_whose_library_does_not_fit_into_memory_is_the_machines_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_given: Any, **_options: Any) -> None:
        raise ImportError("libopenvino.so: failed to map segment from shared object")

    monkeypatch.setattr(passages, "upscaling", refused)
    with pytest.raises(MachineError, match="too little memory"):
        Upscaler()(RGB)


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("engine", ["torch", "cuda"])
def test_other_engines_make_nearly_the_same(engine: str, luma: Upscaler) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("triton")
    smooth = cv2.GaussianBlur(frame(10, 14), (0, 0), 2)
    y, u = smooth[..., 0], smooth[::2, ::2, 1]
    with Upscaler(engine=engine) as up:
        for made, expected in zip(up.yuv420(y, u, u), luma.yuv420(y, u, u), strict=True):
            assert np.abs(made.astype(int) - expected).max() <= 3
        if engine == "cuda":
            with pytest.raises(OptionError, match="works on YUV planes"):
                up(smooth)
        else:
            assert np.abs(up(smooth).astype(int) - luma(smooth)).max() <= 3


def test_fp32_and_int8_differ_and_each_is_what_was_asked_for() -> None:
    bgr = frame()
    with Upscaler(precision="fp32") as exact, Upscaler(precision="int8") as fast:
        assert not np.array_equal(exact(bgr), fast(bgr))
        assert np.abs(exact(bgr).astype(int) - fast(bgr)).max() < 16


@pytest.fixture
def a_gigabyte() -> Iterator[None]:
    """A limit of the address space: this much more than is used."""
    usual = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, usual)


@pytest.mark.usefixtures("a_gigabyte")
def test_a_frame_that_memory_is_too_small_for_is_the_machines_error(luma: Upscaler) -> None:
    huge = np.broadcast_to(np.uint8(7), (20_000, 20_000))
    with pytest.raises(MachineError, match="too little memory"):
        luma(huge)
    with pytest.raises(MachineError, match="too little memory"):
        next(luma.frames([huge]))
    assert luma(RGB).shape == (2 * RGB.shape[0], 2 * RGB.shape[1], 3), "it can still be used"


def test_engines_of_the_last_sizes_are_kept_and_no_more() -> None:
    up = Upscaler(engine="nearest")
    room = up._passages
    for height in range(2, 12):
        assert up(frame(height, 8)).shape == (2 * height, 16, 3)
        assert len(room._open) == min(height - 1, passages.KEPT)
    kept = {line for _, line in room._idle}
    assert up(frame(11, 8)).shape == (22, 16, 3)
    assert {line for _, line in room._idle} == kept
    up.close()
    assert not room._open
    assert up(frame(11, 8)).shape == (22, 16, 3)


def test_pickled_it_is_another_like_it() -> None:
    up = Upscaler("rcan2", engine="nearest", size="60x40")
    assert up(frame()).shape == (40, 60, 3)
    other = pickle.loads(pickle.dumps(up))
    assert not other._passages._open
    assert other(frame()).shape == (40, 60, 3)
    assert other._made_of == up._made_of


class Named(Upscaler):
    def __init__(self, name: str) -> None:
        super().__init__(engine="nearest", scale=3)
        self.name = name


def test_pickled_a_subclass_keeps_its_kind_and_what_it_has_added() -> None:
    other = pickle.loads(pickle.dumps(Named("mine")))
    assert type(other) is Named and other.name == "mine"
    assert other(frame(8, 10)).shape == (24, 30, 3)


def test_calls_from_many_threads_are_right_and_share_an_engine() -> None:
    frames = [frame() for _ in range(12)]
    with Upscaler() as up, ThreadPoolExecutor(4) as pool:
        expected = [up(each) for each in frames]
        before = threading.active_count()
        for made, wanted in zip(pool.map(up, frames), expected, strict=True):
            np.testing.assert_array_equal(made, wanted)
        assert len(up._passages._open) == 1
        assert threading.active_count() <= before + 4


def test_closing_while_another_thread_works_takes_nothing_from_it() -> None:
    up = Upscaler(engine="nearest")
    results = up.frames([RGB] * 9)
    assert next(results).shape == (16, 16, 3)
    up.close()
    assert len(list(results)) == 8
    assert not up._passages._open


def test_a_depth_between_costs_no_whole_frame_of_floats(luma: Upscaler) -> None:
    deep = frame(270, 480).astype(np.uint16)
    made = luma(deep, order="bgr", bits=10)
    assert made.flags.c_contiguous
    tracemalloc.start()
    try:
        luma(deep, order="bgr", bits=10)
        assert tracemalloc.get_traced_memory()[1] < 2.25 * made.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.slow(seconds=1)
@pytest.mark.parametrize("kind", ["rgb", "bgr", "yuv"])
def test_a_call_copies_in_once_and_out_once(kind: str, luma: Upscaler) -> None:
    """A third copy would need memory of its own: all that a call allocates is its result and bands of a few rows."""
    rgb = frame(270, 480)
    y, u = rgb[..., 0].copy(), rgb[::2, ::2, 1].copy()

    def call() -> Any:
        return luma.yuv420(y, u, u) if kind == "yuv" else luma(rgb, order=kind)  # type: ignore[call-overload]

    made = call()
    size = sum(plane.nbytes for plane in made) if kind == "yuv" else made.nbytes
    del made
    gc.collect()
    tracemalloc.start()
    try:
        call()
        assert tracemalloc.get_traced_memory()[1] < 1.25 * size
    finally:
        tracemalloc.stop()


def test_a_signals_handler_that_upscales_in_the_middle_of_a_call_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    up, refused, run = Upscaler(engine="nearest"), [], passages.Line.run

    def upscales(*_: object) -> None:
        try:
            up(frame())
        except OptionError as err:
            refused.append(str(err))

    def interrupted(*args: Any) -> Any:
        signal.raise_signal(signal.SIGUSR1)
        return run(*args)

    monkeypatch.setattr(passages.Line, "run", interrupted)
    before = signal.signal(signal.SIGUSR1, upscales)
    try:
        assert up(frame()).shape == (64, 96, 3)
        assert up(frame()).shape == (64, 96, 3)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert refused == ["What interrupts a call of an Upscaler can't call it too: use another Upscaler there."] * 2


@pytest.mark.slow(seconds=1)
def test_the_quality_of_the_source_is_the_argument_else_the_presets() -> None:
    compressed = load_preset("file").updated("engine", source_quality=40)
    small = frame()
    with Upscaler(source_quality=40) as given, Upscaler(preset=compressed) as by_preset, Upscaler() as clean:
        expected = given(small)
        np.testing.assert_array_equal(by_preset(small), expected)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(given))(small), expected)
        assert np.any(clean(small) != expected)
        np.testing.assert_array_equal(Upscaler(preset=compressed, source_quality=0)(small), clean(small))
