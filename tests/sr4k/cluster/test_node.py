"""What a machine is told with a job: whom its messages are for, and which files it may read."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from clips import write_clip

from sr4k import load_preset
from sr4k.cluster.node import make
from sr4k.cluster.tasks import SegmentFailed, SegmentTask, Work
from sr4k.common import option_names
from sr4k.errors import InputError
from sr4k.jobs.file_job import Job
from sr4k.media.reading.naming_others import are_refused
from sr4k.media.reading.stretches import Stretch
from sr4k.media.resume.pool import Pool


def test_a_machine_names_options_for_the_jobs_reader_and_keeps_to_its_rule_about_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(option_names, "_reader", "command")  # put back at the end
    write_clip(tmp_path / "x.mkv", audio=False, frames=2)
    (tmp_path / "list.mkv").write_text("ffconcat version 1.0\nfile x.mkv\n")
    preset = load_preset("file").updated("engine", name="nearest")
    pool = Pool(tmp_path / "pool")
    pool.make()
    work = Work(
        job=Job(source=tmp_path / "list.mkv", target=tmp_path / "out.mkv", preset=preset),
        pool=pool.folder,
        path_map=(),
        encodes_as=2,
        token=("token", ""),
        source={},
        reader="service",
        refuses_files_that_name_others=True,
    )
    whole = Stretch(number=0, frames=2, begin=None, until=None, after=None, first=0, start=0.0, end=0.08)
    with patch.dict(os.environ):
        done = make(work, SegmentTask(key="k", stretch=whole, cpus=1), report=lambda _: None)
        assert option_names.reader() == "service" and are_refused()
    assert isinstance(done, SegmentFailed)
    assert isinstance(done.error, InputError) and "names other files" in str(done.error)
