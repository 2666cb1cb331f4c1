"""Files at their own pace: nothing of them is lost, from the first picture to the last."""

from itertools import pairwise
from pathlib import Path

import av
import pytest
from clips import MakeClip

from sr4k.configs import load_preset
from sr4k.jobs.live_job import LiveJob
from sr4k.live.address import parse_source, parse_target

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("rate", "frames"), [(25, 25), (1, 3)])
def test_every_picture_of_a_file_is_recorded_however_short_it_is(
    make_clip: MakeClip, tmp_path: Path, rate: int, frames: int
) -> None:
    clip = make_clip(size=(64, 48), rate=rate, frames=frames, audio=True)
    targets = [tmp_path / "new" / f"out{suffix}" for suffix in (".mkv", ".mov", ".m3u8")]
    preset = load_preset("live")
    patient = preset.live.model_copy(update={"freshness": 10.0, "hold": 60.0})  # no machine is too slow for it
    preset = preset.updated("engine", name="nearest").model_copy(update={"live": patient})
    job = LiveJob(parse_source(str(clip)), tuple(parse_target(str(target)) for target in targets), preset=preset)
    summary = job.run()
    assert [target.connects for target in summary.playout.targets] == [1, 1, 1]
    for target in targets:
        with av.open(str(target)) as container:
            pictures = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        assert len(pictures) == frames, target
        steps = [later - earlier for earlier, later in pairwise(pictures)]
        assert steps == pytest.approx([1 / rate] * (frames - 1), abs=0.002)
