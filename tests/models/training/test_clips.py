"""Training clips made from pictures: motion, codecs, patches and their cache."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from patches import assert_in_register
from skimage import data as pictures

from sr4k.errors import InputError, OptionError
from sr4k.models.training.clips import FACTS, SMALLEST, Patches, as_yuv, patches_of, view_size
from sr4k.models.training.codec import CODECS, Decoded, Encoding, mean_qp, steady_qp, through_codec
from sr4k.models.training.frames import frames_of
from sr4k.models.training.motion import moving
from sr4k.models.training.patch_cache import batches_of, make_cache, quality_of, read_cache
from sr4k.models.training.recipe import LARGEST_PATCH, Clips

SMALL = Clips(versions=2, frames=2, patches=2, patch=32)
FACTORS = {
    "h264": (12, 40),
    "hevc": (14, 42),
    "av1": (15, 60),
    "jpeg": (95, 15),
    "mpeg2": (2, 24),
    "mpeg4": (2, 24),
}
"""Rate factors (JPEG: qualities; MPEG-2 and MPEG-4 Part 2: quantisers) of a fine and a coarse encoding, by codec."""


def clip(frames: int = 4, side: int = 128) -> list[av.VideoFrame]:
    picture = as_yuv(pictures.astronaut()[:256, :256])
    return frames_of(iter([picture[2 * k : 2 * k + side, k : k + side] for k in range(frames)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    cv2.imwrite(str(folder / "chelsea.png"), pictures.chelsea()[:280, :280, ::-1])
    cv2.imwrite(str(folder / "too_small.png"), pictures.chelsea()[:100, :280, ::-1])
    return folder


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cache")
    make_cache([folder], SMALL, 1, out)
    return out


def detail(patches: Patches) -> float:
    """Return the mean variance of the Laplacian of the patches in high resolution."""
    return float(np.mean([cv2.Laplacian(high, cv2.CV_64F).var() for high in patches.high]))


class TestMotion:
    def views(self, seed: int) -> list[np.ndarray]:
        return list(moving(pictures.astronaut()[:200, :160], (96, 80), 5, np.random.default_rng(seed)))

    def test_views_are_of_the_size_asked_for_and_differ_within_most_clips(self) -> None:
        clips = [self.views(seed) for seed in range(12)]
        assert all(view.shape == (96, 80, 3) and view.dtype == np.uint8 for views in clips for view in views)
        assert sum(not np.array_equal(views[0], views[-1]) for views in clips) >= 8

    def test_some_views_are_as_sharp_as_the_picture_and_some_are_interpolated(self) -> None:
        """Views at whole pixels are found in the picture exactly."""
        picture = pictures.astronaut()[:200, :160]

        def is_there(view: np.ndarray) -> bool:
            _, _, (left, top), _ = cv2.minMaxLoc(cv2.matchTemplate(picture, view, cv2.TM_SQDIFF))
            return np.array_equal(picture[top : top + 96, left : left + 80], view)

        whole = [is_there(self.views(seed)[-1]) for seed in range(12)]
        assert 2 <= sum(whole) <= 10


class TestCodecs:
    @pytest.mark.parametrize("codec", CODECS)
    def test_a_coarser_factor_loses_more_in_fewer_bytes_and_is_reported(
        self, codec: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        preset = "10" if codec == "av1" else "ultrafast"
        fine, coarse = (through_codec(clip(), Encoding(codec, factor, preset)) for factor in FACTORS[codec])
        before = [frame.to_ndarray()[:128] for frame in clip()]
        errors = [
            np.mean([np.square(d.luma.astype(float) - b).mean() for d, b in zip(decoded, before, strict=True)])
            for decoded in (fine, coarse)
        ]
        assert errors[1] > 3 * errors[0] > 0
        assert sum(d.size for d in coarse) < 0.5 * sum(d.size for d in fine)
        assert abs(steady_qp(coarse) - steady_qp(fine)) > 10
        assert capfd.readouterr().err == "", "the encoder is quiet"

    def test_the_mean_qp_is_that_of_the_map_of_blocks(self) -> None:
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width = encoder.height = 128
        encoder.pix_fmt, encoder.framerate = "yuv420p", 25
        encoder.options = {"crf": "30", "preset": "veryfast"}
        decoder = av.CodecContext.create("h264", "r")
        decoder.options = {"export_side_data": "venc_params"}
        packets = [packet for frame in [*clip(), None] for packet in encoder.encode(frame)]
        frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
        assert len(frames) == 4
        for frame in frames:
            expected = frame.side_data["VIDEO_ENC_PARAMS"].qp_map()
            assert mean_qp(frame) == pytest.approx(expected.mean())
            assert expected.min() < expected.max()

    def test_a_frame_of_a_decoder_that_tells_nothing_has_no_mean_qp(self) -> None:
        assert mean_qp(clip(1)[0]) is None

    def test_frames_that_keep_what_they_are_predicted_from_do_not_count(self) -> None:
        nothing = np.zeros((2, 2), np.uint8)
        frames = [Decoded(nothing, kind, qp, 1) for kind, qp in ((1, 20.0), (3, 45.0), (2, 25.0))]
        assert steady_qp(frames) == pytest.approx((23 + 25) / 2)


def test_the_largest_patch_fits_into_the_views_of_the_smallest_picture() -> None:
    assert view_size(np.zeros((SMALLEST, SMALLEST, 3), np.uint8)) == (2 * LARGEST_PATCH, 2 * LARGEST_PATCH)


class TestPatches:
    def patches(self, seed: int, **changes: object) -> Patches:
        settings = SMALL.model_copy(update={"crf": (5, 8), "soft": 0.0, "noise": 0.0, "grain": 0.0, **changes})
        return patches_of(pictures.astronaut()[:288, :288], settings, (seed,))

    def test_both_sizes_stay_in_register(self) -> None:
        for seed in range(4):
            assert_in_register(self.patches(seed))

    @pytest.mark.slow(seconds=1)
    def test_they_are_the_same_for_the_same_seed_alone(self) -> None:
        one, again, other = (self.patches(seed) for seed in (3, 3, 4))
        assert (one.facts["factor"] == again.facts["factor"]).all()
        for a, b in ((one.low, again.low), (one.high, again.high)):
            assert np.abs(a.astype(int) - b).mean() < 1, "libx264 leaves a little to chance"
        assert one.low.shape != other.low.shape or not np.array_equal(one.low, other.low)

    def test_facts_are_those_of_what_the_codec_did(self) -> None:
        fine, coarse = (self.patches(5, crf=(crf, crf)).facts for crf in (5, 38))
        assert (coarse["codec"] == fine["codec"]).all()
        assert (coarse["error"] > 5 * fine["error"]).all()
        assert coarse["bits"].mean() < fine["bits"].mean()
        assert (quality_of(coarse) > quality_of(fine) + 10).all()

    @pytest.mark.slow(seconds=1)
    def test_grain_is_in_the_truth_of_a_third_of_the_clips(self) -> None:
        settings = SMALL.model_copy(update={"crf": (5, 8), "soft": 0.0, "noise": 0.0, "frames": 1})
        flat = np.full((256, 256, 3), 128, np.uint8)
        grainy = [patches_of(flat, settings, (seed,)).high.std() > 0.2 for seed in range(9)]
        assert 1 <= sum(grainy) <= 6

    @pytest.mark.slow(seconds=1)
    def test_a_picture_that_is_shrunk_first_has_more_detail(self) -> None:
        settings = SMALL.model_copy(update={"soft": 0.0, "grain": 0.0, "crf": (5, 8)})
        whole, small = (
            np.mean(
                [
                    detail(
                        patches_of(pictures.astronaut(), settings.model_copy(update={"size": (size, size)}), (seed,))
                    )
                    for seed in range(4)
                ]
            )
            for size in (1.0, 0.5)
        )
        assert small > 1.2 * whole

    def test_blurred_truth_is_recorded_and_lacks_detail(self) -> None:
        sharp, soft = (self.patches(6, soft=share, softness=(2.0, 2.0), patches=12) for share in (0.0, 1.0))
        assert (sharp.facts["soft"] == 0).all()
        assert (soft.facts["soft"] == 2).all()
        assert detail(soft) < 0.5 * detail(sharp)


def test_quality_is_on_the_scale_of_h264_whatever_the_codec() -> None:
    facts = np.zeros(8, FACTS)
    facts["codec"] = np.repeat(np.arange(4), 2)
    facts["clip_qp"] = [20, 40, 20, 40, 20, 60, 90, 20]
    fine, coarse = quality_of(facts).reshape(4, 2).T
    assert (fine < coarse).all()
    assert (fine[0], coarse[0]) == (20, 40)
    assert np.abs(fine - 20).max() < 4


class TestCache:
    def test_what_is_missing_is_made_and_the_rest_left(self, folder: Path, made: Path) -> None:
        before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in made.iterdir()}
        for path in made.glob("001.*"):
            path.unlink()
        assert len(read_cache(made).shards) == 1
        assert len(make_cache([folder], SMALL, 1, made).shards) == 2
        after = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in made.iterdir()}
        assert before.keys() == after.keys()
        assert all(before[name] == after[name] for name in after if name.startswith("000."))

    def test_clips_of_other_settings_are_not_mixed_but_there_may_be_more(self, folder: Path, made: Path) -> None:
        fewer = SMALL.model_copy(update={"versions": 1})
        assert len(make_cache([folder], fewer, 1, made).shards) == 1
        with pytest.raises(OptionError, match=r"other settings \(crf, patches\): use another --out"):
            make_cache([folder], SMALL.model_copy(update={"crf": (1, 2), "patches": 1}), 1, made)

    @pytest.mark.slow
    def test_pictures_too_small_for_clips_are_counted_once(
        self, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_cache([folder], SMALL, 1, tmp_path)
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert told == ["1 picture is left out: it is smaller than 256x256 pixels."]

    def test_clips_of_other_pictures_are_not_mixed(self, made: Path, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "coffee.png"), pictures.coffee()[:280, :280, ::-1])
        with pytest.raises(OptionError, match=r"other settings \(pictures\): use another --out"):
            make_cache([tmp_path], SMALL, 1, made)

    def test_a_batch_depends_on_seed_and_number_alone(self, made: Path) -> None:
        cache = read_cache(made)
        source = batches_of(cache, batch=3, unsure=1.0, seed=1, start=0)
        next(source)
        second = next(source)
        resumed = next(batches_of(cache, batch=3, unsure=1.0, seed=1, start=1))
        assert second.low.shape == (3, 1, 32, 32)
        assert second.high.shape == (3, 1, 64, 64)
        assert all(np.array_equal(a, b) for a, b in zip(second, resumed, strict=True))

    def test_a_batch_is_of_one_quality_within_what_is_asked_for(self, made: Path) -> None:
        cache = read_cache(made)
        found = np.sort(quality_of(cache.facts))
        least = float(np.median(found))
        told = [
            next(batches_of(cache, batch=2, unsure=0.0, seed=1, start=k, within=(least, 60))).quality for k in range(9)
        ]
        assert min(told) >= least
        assert max(told) <= found[-1] + 1e-6

    def test_qualities_that_no_clip_has_are_refused(self, made: Path) -> None:
        with pytest.raises(InputError, match=r"No clip has a quality of 50\.5 to 51 "):
            next(batches_of(read_cache(made), batch=2, unsure=0.0, seed=1, start=0, within=(50.5, 51)))

    def test_pictures_that_are_all_too_small_are_refused(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "small.png"), pictures.chelsea()[:100, :100])
        with pytest.raises(InputError, match="less than 256 pixels"):
            make_cache([tmp_path], SMALL, 1, tmp_path / "cache")
