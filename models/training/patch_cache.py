"""Cache patches of clips on disk for all runs: one shard for each pass over the pictures."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr4k.common.whole_file import write_whole
from sr4k.errors import InputError, OptionError
from sr4k.models.quality.image_files import hash_of_pictures, picture_files, read_rgb, tell_left_out
from sr4k.models.source_quality import WORST, like_h264
from sr4k.models.training.clips import SMALLEST, Patches, patches_of
from sr4k.models.training.codec import CODECS
from sr4k.models.training.data import Batch, turned
from sr4k.models.training.recipe import Clips

log = logging.getLogger(__name__)

_ALIKE = 0.02
"""Share of the patches, sorted by quality, that one batch of similar quality is drawn from."""

_SETTINGS = "settings.json"

_PARTS = ("low", "high", "facts")


@dataclass(frozen=True, slots=True)
class Cache:
    """Shards of patches, memory-mapped."""

    shards: tuple[Patches, ...]

    @property
    def facts(self) -> NDArray[np.void]:
        """`sr4k.models.training.clips.FACTS` of all patches, shard by shard."""
        return np.concatenate([shard.facts for shard in self.shards])


def quality_of(facts: NDArray[np.void]) -> NDArray[np.float64]:
    """Return the quality of patches, 0..51: the QP at which H.264 would lose as much."""
    found = np.array(facts["clip_qp"], np.float64)
    for index, codec in enumerate(CODECS):
        of_it = facts["codec"] == index
        found[of_it] = like_h264(codec, found[of_it])
    return found


def batches_of(
    cache: Cache,
    *,
    batch: int,
    unsure: float,
    seed: int,
    start: int,
    within: tuple[float, float] = (0.0, WORST),
    alike: float = _ALIKE,
) -> Iterator[Batch]:
    """Yield endless random batches of luma patches of similar quality, rotated and mirrored, from batch ``start`` on.

    From the same cache, batch number k depends on ``seed`` and k alone.

    Args:
        cache: patches to draw from.
        batch: patches per batch.
        unsure: standard deviation of the error added to the quality of a batch, as in use quality is an estimate.
        seed: seed of the random numbers.
        start: number of the first batch.
        within: range of the qualities of the patches that are drawn.
        alike: share of them, sorted by quality, that one batch is drawn from; 1: patches of any quality in each batch.

    Raises:
        InputError: no patch has such a quality.
    """
    quality = quality_of(cache.facts)
    order = of_quality(quality, within)
    first = np.cumsum([0, *(len(shard.facts) for shard in cache.shards)])
    reach = max(int(len(order) * alike), batch)
    step = start
    while True:
        rng = np.random.default_rng((seed, step))
        at = rng.integers(0, max(len(order) - reach, 1))
        chosen = order[at : at + reach][rng.permutation(min(reach, len(order)))[:batch]]
        lows, highs = [], []
        for number in chosen:
            shard = int(np.searchsorted(first, number, "right")) - 1
            patches = cache.shards[shard]
            low, high = turned(patches.low[number - first[shard]], patches.high[number - first[shard]], rng)
            lows.append(low)
            highs.append(high)
        known = float(np.clip(quality[chosen].mean() + rng.normal(0, unsure), 0, WORST))
        yield Batch(as_full_range(np.stack(lows)), as_full_range(np.stack(highs)), known)
        step += 1


def of_quality(quality: NDArray[np.float64], within: tuple[float, float]) -> NDArray[np.intp]:
    """Return the numbers of the patches whose quality is in a range, in its order.

    Raises:
        InputError: there are none.
    """
    order = np.argsort(quality, kind="stable")
    found = order[slice(*np.searchsorted(quality[order], within))]
    if not len(found):
        least, most = within
        needed = f"{least:g} or more" if most > WORST else f"{least:g} to {most:g}"
        raise InputError(
            f"No clip has a quality of {needed} (0: uncompressed), which quality.knots asks for: raise "
            "quality.clips.versions in the recipe and run it again; quality.clips.crf has to reach as far."
        )
    return found


def as_full_range(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert patches (n, p, p) of limited range to (n, 1, p, p) of full range, 0..255."""
    return np.asarray((luma[:, None].astype(np.float32) - 16) * np.float32(255 / 219))


def as_limited_range(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert patches (n, 1, p, p) of full range to (n, p, p) of limited range, not rounded."""
    return np.asarray(luma[:, 0] * np.float32(219 / 255) + 16)


def make_cache(folders: list[Path], settings: Clips, seed: int, out: Path) -> Cache:
    """Return the shards in ``out``, after making those that earlier runs haven't made.

    Raises:
        InputError: there are no pictures, one can't be read, or none is large enough.
        OptionError: the shards in ``out`` were made with other settings or of other pictures.
        OutputError: a file can't be written.
    """
    _check_settings(settings, seed, hash_of_pictures(folders), out)
    files = picture_files(folders)
    for version in range(settings.versions):
        if (out / _name(version, _PARTS[-1])).exists():
            continue
        pictures = ((k, read_rgb(path)) for k, path in enumerate(files))
        found = [patches_of(rgb, settings, (seed, k, version)) for k, rgb in pictures if min(rgb.shape[:2]) >= SMALLEST]
        if not found:
            where = ", ".join(map(str, folders))
            raise InputError(
                f"{where}: every picture has a side of less than {SMALLEST} pixels, and larger ones are needed."
            )
        if version == 0:
            tell_left_out(len(files) - len(found), SMALLEST, SMALLEST)
        write_shard(out, version, Patches(*(np.concatenate([getattr(p, part) for p in found]) for part in _PARTS)))
        log.info("clips: %d of %d rounds", version + 1, settings.versions)
    return Cache(read_cache(out).shards[: settings.versions])


def write_shard(folder: Path, version: int, patches: Patches) -> None:
    """Write a shard. Its facts are written last: a shard without them is incomplete.

    Raises:
        OutputError: a file can't be written.
    """
    for part in _PARTS:
        whole = io.BytesIO()
        np.save(whole, getattr(patches, part))
        write_whole(folder / _name(version, part), whole.getvalue())


def read_cache(folder: Path) -> Cache:
    """Return the complete shards of a folder."""
    last = f".{_PARTS[-1]}.npy"
    names = sorted(path.name.removesuffix(last) for path in folder.glob(f"*{last}"))
    return Cache(
        tuple(Patches(*(np.load(folder / f"{name}.{part}.npy", mmap_mode="r") for part in _PARTS)) for name in names)
    )


def _check_settings(settings: Clips, seed: int, pictures: str, out: Path) -> None:
    """Refuse a folder of clips made with other settings or of other pictures; only ``versions`` may differ."""
    now = {"seed": seed, "pictures": pictures} | settings.model_dump(mode="json", exclude={"versions"})
    path = out / _SETTINGS
    if not path.exists():
        write_whole(path, json.dumps(now).encode())
        return
    try:
        before = dict(json.loads(path.read_text("utf-8")))
    except ValueError as err:
        raise OptionError(f"{path} is damaged: remove {out} to make its clips again.") from err
    if differing := sorted(key for key in now if now[key] != before.get(key)):
        raise OptionError(
            f"The clips in {out} were made with other settings ({', '.join(differing)}): use another --out."
        )


def _name(version: int, part: str) -> str:
    return f"{version:03}.{part}.npy"
