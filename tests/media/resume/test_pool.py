"""Finished segments of several machines: put once, whole, and entered into the journal in order."""

import threading
from pathlib import Path

import pytest

from sr4k.media.resume.journal import Journal, Segment
from sr4k.media.resume.pool import Manifest, Pool

ENCODER = {"name": "libx264", "head": ""}


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    (tmp_path / "pool").mkdir()
    return Pool(tmp_path / "pool")


def put(pool: Pool, key: str, content: bytes = b"packets", node: str = "a") -> Manifest:
    with pool.scratch(key) as folder:
        journal = Journal(folder)
        journal.begin({})
        (folder / "000000.packets").write_bytes(content)
        journal.add(Segment("000000.packets", len(content), 25, 0, 24, 2, 0))
        return pool.put(key, journal, ENCODER, {"node": node})


def test_a_segment_is_put_once_however_many_make_it(pool: Pool) -> None:
    found: list[Manifest] = []
    makers = [threading.Thread(target=lambda name=name: found.append(put(pool, "k", node=name))) for name in "abcd"]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({manifest.about["node"] for manifest in found}) == 1
    assert sorted(path.name for path in pool.folder.iterdir()) == ["k.json", "k.packets"]


def test_what_is_not_whole_is_not_there(pool: Pool) -> None:
    assert pool.is_empty and pool.found("k") is None
    put(pool, "k")
    assert not pool.is_empty and pool.found("k") is not None
    (pool.folder / "k.packets").write_bytes(b"pack")
    assert pool.found("k") is None
    put(pool, "j")
    (pool.folder / "j.json").write_text('{"key": "j"')
    assert pool.found("j") is None


def test_a_segment_moves_to_the_journal(pool: Pool, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin({})
    for key in ("k", "j"):
        pool.move(put(pool, key, key.encode()), journal)
    assert [segment.name for segment in journal.segments()] == ["000000.packets", "000001.packets"]
    assert [(tmp_path / segment.name).read_bytes() for segment in journal.segments()] == [b"k", b"j"]
    assert pool.is_empty and not [*pool.folder.iterdir()]


def test_a_segment_that_changed_is_not_joined(pool: Pool, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin({})
    manifest = put(pool, "k", b"packets")
    (pool.folder / "k.packets").write_bytes(b"pockets")
    with pytest.raises(ValueError, match="has changed since it was written"):
        pool.move(manifest, journal)
    assert not journal.segments()
