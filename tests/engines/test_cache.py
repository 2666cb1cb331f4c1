import json
import logging
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from rig.channel import eventually
from rig.fair_time import Stopwatch
from sr4k.engines.cache import About, EngineCache, cache_folder, key_of
from sr4k.errors import EngineError

ABOUT = About("luma", "1920x1080", "int8", "a GPU", "TensorRT 10.0")
KEY = key_of({"gpu": "a"}, b"graph")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


class Library:
    """Builds and loads plans, and counts."""

    def __init__(self, plan: bytes = b"plan" * 1000) -> None:
        self.plan, self.built = plan, 0

    def build(self) -> bytes:
        self.built += 1
        return self.plan

    def load(self, plan: bytes) -> str:
        if plan != self.plan:
            raise EngineError("expecting library version 10.1 got 10.0, please rebuild.")
        return f"engine of {len(plan)} bytes"

    def get(self, cache: EngineCache, key: str = KEY) -> bool:
        """Whether the engine was in the cache."""
        engine, kept = cache.get(key, ABOUT, self.load, self.build)
        assert engine == f"engine of {len(self.plan)} bytes"
        return kept


@pytest.fixture
def library() -> Library:
    return Library()


class TestKeys:
    def test_all_that_is_told_counts(self) -> None:
        keys = [
            key_of(parts, graph)
            for parts in ({"gpu": "a", "v": "10"}, {"gpu": "b", "v": "10"}, {"gpu": "a", "v": "11"}, {"gpu": "a"})
            for graph in (b"", b"one", b"other")
        ]
        assert len({*keys}) == len(keys)

    def test_the_order_does_not(self) -> None:
        assert key_of({"a": 1, "b": (9, 0)}) == key_of({"b": [9, 0], "a": 1})


def test_what_was_built_is_there_the_next_time(cache: EngineCache, library: Library) -> None:
    assert not library.get(cache)
    assert library.get(cache)
    assert library.get(EngineCache(cache.folder))
    assert library.built == 1
    assert not library.get(cache, key_of({"gpu": "b"}, b"graph"))


def test_a_plan_is_described_beside_it(cache: EngineCache, library: Library) -> None:
    library.get(cache)
    (about,) = cache.entries()
    assert (about.model, about.size, about.precision, about.nbytes) == ("luma", "1920x1080", "int8", 4000)
    assert about.created.startswith("20")
    assert sorted(p.name for p in cache.folder.iterdir()) == sorted([f"{KEY}.json", f"{KEY}.plan", "lock"])


def test_the_last_build_tells_how_long_the_next_may_take(cache: EngineCache, library: Library) -> None:
    assert cache.seconds("luma") is None
    for k, (model, created) in enumerate([("luma", "2026-01-01"), ("luma", "2026-01-02"), ("rcan2", "2026-01-03")]):
        cache.get(str(k), About(model, "", "", "", ""), library.load, library.build)
        path = cache.folder / f"{k}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "created": created, "seconds": 10.0 * k}))
    assert cache.seconds("luma") == 10
    assert cache.seconds("luma-large") == 20


def test_timings_are_kept(cache: EngineCache, library: Library) -> None:
    assert cache.timing("a") == b""
    library.get(cache)
    cache.keep_timing("a", b"timings")
    assert EngineCache(cache.folder).timing("a") == b"timings"


class TestSpoiledEntries:
    @pytest.mark.parametrize("length", [0, 100])
    def test_a_plan_that_was_cut_short_is_built_again(
        self, cache: EngineCache, library: Library, caplog: pytest.LogCaptureFixture, length: int
    ) -> None:
        library.get(cache)
        path = cache.folder / f"{KEY}.plan"
        path.write_bytes(path.read_bytes()[:length])
        assert not library.get(cache)
        assert [r.message for r in caplog.records] == [
            "The engine of luma for 1920x1080 in the cache can't be used: it is damaged"
        ]
        assert library.get(cache)

    def test_so_is_one_that_the_library_refuses_and_its_reason_is_told(
        self, cache: EngineCache, library: Library, caplog: pytest.LogCaptureFixture
    ) -> None:
        Library(b"of another version").get(cache)
        assert not library.get(cache)
        assert [r.levelno for r in caplog.records] == [logging.WARNING]
        assert "expecting library version 10.1 got 10.0" in caplog.text
        assert library.get(cache)

    def test_one_that_is_refused_when_it_is_new_is_an_error(self, cache: EngineCache, library: Library) -> None:
        with pytest.raises(EngineError, match="expecting library version"):
            cache.get(KEY, ABOUT, library.load, lambda: b"never right")

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"model": "luma"}', "\0"])
    def test_a_spoiled_description_is_as_none(self, cache: EngineCache, library: Library, text: str) -> None:
        library.get(cache)
        (cache.folder / f"{KEY}.json").write_text(text)
        assert cache.entries() == []
        assert not library.get(cache)
        assert len(cache.entries()) == 1

    @pytest.mark.parametrize("suffix", [".json", ".plan"])
    def test_half_of_a_pair_is_none(self, cache: EngineCache, library: Library, suffix: str) -> None:
        library.get(cache)
        (cache.folder / f"{KEY}{suffix}").unlink()
        assert not library.get(cache)
        assert library.get(cache)

    def test_a_failed_build_leaves_nothing(self, cache: EngineCache, library: Library) -> None:
        def fail() -> bytes:
            raise EngineError("no memory")

        with pytest.raises(EngineError, match="no memory"):
            cache.get(KEY, ABOUT, library.load, fail)
        assert [p.name for p in cache.folder.iterdir()] == ["lock"]
        assert not library.get(cache)


BUILDER = """
import sys, time
from pathlib import Path
from sr4k.engines.cache import About, EngineCache

folder, key, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])

def build():
    began = time.monotonic()
    (folder / "started").touch()
    time.sleep(seconds)
    with (folder / "builds").open("a") as file:
        print(began, time.monotonic(), file=file)
    return b"plan"

plan, _ = EngineCache(folder).get(key, About("luma", "", "", "", ""), bytes, build)
assert plan == b"plan"
"""


class TestProcesses:
    def start(self, folder: Path, key: str, seconds: float) -> subprocess.Popen[bytes]:
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-c", BUILDER, folder, key, str(seconds)])

    def builds(self, folder: Path) -> list[list[float]]:
        return [[float(word) for word in line.split()] for line in (folder / "builds").read_text().splitlines()]

    @pytest.mark.slow(seconds=1)
    def test_one_builds_and_the_others_take_it(self, tmp_path: Path) -> None:
        processes = [self.start(tmp_path, "same", 0.3) for _ in range(4)]
        assert [process.wait(240) for process in processes] == [0] * 4
        assert len(self.builds(tmp_path)) == 1

    @pytest.mark.slow
    def test_no_two_build_at_once(self, tmp_path: Path) -> None:
        processes = [self.start(tmp_path, f"key{k}", 0.7) for k in range(3)]
        assert [process.wait(240) for process in processes] == [0] * 3
        builds = sorted(self.builds(tmp_path))
        assert len(builds) == 3
        assert all(before[1] <= after[0] for before, after in pairwise(builds))

    def test_one_that_is_killed_holds_up_nobody(self, tmp_path: Path, library: Library) -> None:
        process = self.start(tmp_path, KEY, 3600)
        eventually((tmp_path / "started").exists, 60)
        (tmp_path / "tmp123.partial").write_bytes(b"half a plan")
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        watch = Stopwatch()
        assert not library.get(EngineCache(tmp_path))
        assert watch.fair < 5
        assert not (tmp_path / "tmp123.partial").exists()


class TestUnwritable:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "file").write_text("")
        return tmp_path / "file" / "cache"  # no one can make a folder there, root included

    def test_engines_are_built_all_the_same_and_it_is_said_once(
        self, folder: Path, library: Library, caplog: pytest.LogCaptureFixture
    ) -> None:
        cache = EngineCache(folder)
        assert not library.get(cache)
        cache.keep_timing("a", b"timings")
        assert len(caplog.records) == 1
        assert f"can't be kept in {folder}" in caplog.text
        assert not library.get(EngineCache(folder))
        assert library.built == 2

    def test_what_is_there_is_used_where_no_lock_can_be_had(
        self, cache: EngineCache, library: Library, caplog: pytest.LogCaptureFixture
    ) -> None:
        library.get(cache)
        (cache.folder / "lock").unlink()
        (cache.folder / "lock").mkdir()
        assert library.get(EngineCache(cache.folder))
        assert not caplog.records


def test_clear_deletes_what_is_ours(cache: EngineCache, library: Library) -> None:
    library.get(cache)
    library.get(cache, "another")
    cache.keep_timing("a", b"timings")
    (cache.folder / "notes.txt").write_text("mine")
    plans, nbytes = cache.clear()
    assert plans == 2
    assert nbytes > 8000
    assert sorted(p.name for p in cache.folder.iterdir()) == ["lock", "notes.txt"]
    assert not library.get(cache)


def test_the_folder_is_the_users_to_choose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SR4K_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("SR4K_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "sr4k-stream" / "engines"
